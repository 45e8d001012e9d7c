"""Packed events: `join` and `pack` give the same bytes, and every client input can be packed."""

from __future__ import annotations

import msgspec
import pytest

from gateway.usage.event import join, pack, pack_event, unpack
from tests.usage.support import event


def test_events_survive_packing() -> None:
    events = (event(record_count=None), event(table_names=("a", "b")), event(request_id='"1"'))
    assert unpack(pack(events)) == events


@pytest.mark.parametrize("count", [1, 15, 16, 256])
def test_joining_single_events_gives_the_bytes_of_packing_them_together(count: int) -> None:
    events = [event() for _ in range(count)]
    assert join([pack_event(one) for one in events]) == pack(events)


def test_a_lone_surrogate_is_replaced() -> None:
    one = event(tool_name="stock\ud800", table_names=("\udfff",))
    (unpacked,) = unpack(join([pack_event(one)]))
    assert (unpacked.tool_name, unpacked.table_names) == ("stock?", ("?",))
    assert unpacked.event_id == one.event_id


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        pack_event(event(response_bytes=1 << 65))


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"junk", pack((event(),))[:-3]])
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        unpack(packed)
