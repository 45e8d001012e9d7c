"""The fields of an event are read and changed without touching the others."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.sse_event import (
    event_data,
    event_type,
    has_event_id,
    is_partial_single_event,
    remove_event_id,
    replace_event_data,
    single_event_data,
)
from gateway.protocol.sse_splitter import Event, EventSplitter
from tests.protocol.sse_streams import LINE, LINE_END


def test_several_data_fields_are_joined_with_line_feeds() -> None:
    assert event_data(b"id: 1\r\ndata: a\r\ndata:b\r\n\r\n") == b"a\nb"
    assert event_data(b": ping\n\n") == b""
    assert event_data(b"data: {}\n\n") == b"{}"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_order_mark_is_not_part_of_a_field(line_end: bytes) -> None:
    mark = b"\xef\xbb\xbf"
    assert event_data(mark + b"data: a" + line_end * 2) == b"a"
    assert event_type(mark + b"event: endpoint" + line_end * 2) == b"endpoint"
    assert has_event_id(mark + b"id: 7" + line_end * 2)
    assert replace_event_data(mark + b"data: a" + line_end * 2, b"b") == b"data: b\n\n"
    assert remove_event_id(mark + b"id: 7" + line_end + b"data: a" + line_end * 2) == b"data: a\n\n"


def test_replaced_data_keeps_the_other_fields() -> None:
    changed = replace_event_data(b"event: message\r\nid: 4\r\ndata: old\r\n\r\n", b"new")
    assert changed == b"event: message\nid: 4\ndata: new\n\n"


def test_empty_data_removes_the_data_fields() -> None:
    assert replace_event_data(b"id: 7\ndata: a\ndata: b\n\n", b"") == b"id: 7\n\n"


@given(st.lists(LINE, max_size=8), LINE_END)
def test_removing_the_id_keeps_data_and_type(lines: list[bytes], line_end: bytes) -> None:
    event = line_end.join([*(line for line in lines if line), b"", b""])
    stripped = remove_event_id(event)
    assert not has_event_id(stripped)
    assert has_event_id(event) == (b"id: 7" in lines)
    assert (event_data(stripped), event_type(stripped)) == (event_data(event), event_type(event))


def test_fields_are_found_before_and_after_large_data() -> None:
    data = b"data: " + b"x" * 100_000 + b"\n"
    for before, after in ((b"id: 7\nevent: a\n", b""), (b"", b"id: 7\nevent: a\n"), (b"event: a\n", b"id: 7\n")):
        event = before + data + after + b"\n"
        assert (has_event_id(event), event_type(event)) == (True, b"a")
    assert not has_event_id(data + b"\n")


_FRAGMENT = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"event: message",
        b"id: 1",
        b"retry: 1",
        b"{}",
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"x",
    ]
)
_FRAGMENTS = st.lists(_FRAGMENT, max_size=8).map(b"".join)
_SURROUNDINGS = st.sampled_from((b"", b"data: {}", b"\n", b"\r\n\r\n", b"event: message\n"))


@given(_FRAGMENTS, _SURROUNDINGS, _SURROUNDINGS)
@example(b"data: {}\r\n\n", b"", b"")
@example(b"event: message\r\ndata: {}\r\n\r\n", b"", b"")
@example(b"data: {}\n\n", b"data: {}", b"\n")
def test_single_event_data_agrees_with_the_splitter(stream: bytes, before: bytes, behind: bytes) -> None:
    data = single_event_data(before + stream + behind, len(before), len(before) + len(stream))
    assert data == single_event_data(stream, 0, len(stream))
    if data is not None:
        splitter = EventSplitter(1000)
        assert splitter.feed(stream) == [Event(stream, True)]
        assert not splitter.has_partial_event
        assert event_data(stream) == data
        assert not has_event_id(stream)
        assert event_type(stream) in (b"", b"message")


@given(_FRAGMENTS, _SURROUNDINGS, _SURROUNDINGS)
@example(b"data: {", b"", b"\n\n")
def test_a_partial_single_event_becomes_one_with_its_blank_line(stream: bytes, before: bytes, behind: bytes) -> None:
    is_partial = is_partial_single_event(before + stream + behind, len(before), len(before) + len(stream))
    assert is_partial == is_partial_single_event(stream, 0, len(stream))
    if is_partial:
        assert EventSplitter(1000).feed(stream) == []
        assert single_event_data(stream + b"\n\n", 0, len(stream) + 2) is not None


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_typical_message_is_a_single_event(end: bytes) -> None:
    line_end = end[: len(end) // 2]
    for start in (b"event: message" + line_end + b"data: ", b"data: "):
        stream = start + b'{"a":1}' + end
        assert single_event_data(stream, 0, len(stream)) == b'{"a":1}'
    partial = b"event: message" + line_end + b'data: {"a"'
    assert is_partial_single_event(partial, 0, len(partial))
    assert is_partial_single_event(partial + end, 0, len(partial))
    assert not is_partial_single_event(partial + end, 0, len(partial) + 1)
