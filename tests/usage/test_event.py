"""Packed events: `join` and `pack` give the same bytes, and every client input can be packed."""

from __future__ import annotations

import msgspec
import pytest

from gateway.usage.event import join, pack, pack_event, unpack
from tests.usage.support import event


def test_events_survive_packing() -> None:
    events = (event(record_count=None), event(table_names=("a", "b")), event(request_id='"1"'))
    assert unpack(pack(events)) == events


def test_the_events_of_earlier_versions_have_no_details_of_the_count() -> None:
    one = event(
        written_tables=("w",), count_path="structuredContent.rows", count_signs=("declared",), count_confidence=0.9
    )
    without_details = msgspec.msgpack.encode([msgspec.to_builtins(one)[:-4]])
    (unpacked,) = unpack(without_details)
    assert unpacked == msgspec.structs.replace(one, count_path="", count_signs=(), count_confidence=None)


class EarlierEvent(msgspec.Struct, array_like=True):
    """The first fields of an event, as an earlier version reads it."""

    event_id: str
    created_at: int


def test_earlier_versions_ignore_later_fields() -> None:
    one = event(count_path="structuredContent.rows", count_signs=("declared",))
    (unpacked,) = msgspec.msgpack.decode(pack((one,)), type=tuple[EarlierEvent, ...])
    assert unpacked == EarlierEvent(one.event_id, one.created_at)


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
