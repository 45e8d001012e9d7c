"""Splitting streams of events, and taking and changing their data."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.buffers import Chunk
from gateway.protocol.sse import (
    Event,
    EventSplitter,
    event_data,
    event_type,
    has_event_id,
    is_inside_single_event,
    remove_event_id,
    replace_event_data,
    single_event_data,
)

LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINE = st.sampled_from([b"data: {}", b"data:x", b"data", b"id: 7", b"event: message", b": ping", b"retry: 5", b""])
STREAM = st.lists(st.tuples(LINE, LINE_END), max_size=20).map(lambda lines: b"".join(a + b for a, b in lines))


def split(stream: bytes, cuts: list[int]) -> tuple[list[bytes | bytearray], bytes | bytearray]:
    splitter = EventSplitter(10_000)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for a, b in itertools.pairwise(edges) for event in splitter.feed(stream[a:b])]
    assert all(event.is_complete for event in events)
    return [event.raw for event in events], splitter.flush()


@given(STREAM, st.lists(st.integers(0, 400), max_size=8))
def test_wherever_a_stream_is_cut_the_same_events_come_out(stream: bytes, cuts: list[int]) -> None:
    assert split(stream, cuts) == split(stream, [])


@given(STREAM, st.lists(st.integers(0, 400), max_size=8))
def test_no_byte_is_added_or_lost(stream: bytes, cuts: list[int]) -> None:
    events, rest = split(stream, cuts)
    assert b"".join(events) + rest == stream


BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


@given(STREAM, st.integers(0, 3), st.lists(st.integers(0, 40_000), max_size=8), st.booleans())
def test_an_event_ends_where_two_line_ends_follow_one_another(
    stream: bytes, large: int, cuts: list[int], is_in_place: bool
) -> None:
    stream = stream.replace(b"{}", b"x" * 9000, large) + b"data"
    splitter = EventSplitter(100_000)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    source: Chunk = memoryview(bytearray(stream)) if is_in_place else stream
    events = [event.raw for a, b in itertools.pairwise(edges) if a < b for event in splitter.feed(source[a:b])]
    ends = [0, *(match.end() for match in BLANK_LINE.finditer(stream))]
    assert events == [stream[a:b] for a, b in itertools.pairwise(ends)]
    assert splitter.flush() == stream[ends[-1] :]


def test_a_large_event_that_came_in_place_and_its_data_are_not_copied() -> None:
    buffer = bytearray(b"event: message\r\ndata: " + b"x" * 100_000 + b"\r\n\r\n")
    parts = [memoryview(buffer)[a:b] for a, b in itertools.pairwise([0, 30_000, 60_000, len(buffer)])]
    splitter = EventSplitter(1_000_000)
    (event,) = [event for part in parts for event in splitter.feed(part)]
    assert event.raw is buffer
    data = event_data(event.raw)
    assert isinstance(data, memoryview)
    assert (data.obj, bytes(data)) == (buffer, b"x" * 100_000)


def test_an_event_comes_out_as_soon_as_its_blank_line_is_complete() -> None:
    splitter = EventSplitter(1000)
    assert splitter.feed(b"data: 1\r\n\r") == []
    assert [event.raw for event in splitter.feed(b"\n")] == [b"data: 1\r\n\r\n"]


def test_an_event_beyond_the_bound_passes_in_pieces_and_the_next_one_whole() -> None:
    splitter = EventSplitter(10)
    stream = b"data: " + b"x" * 50 + b"\n\ndata: y\n\n"
    events = [event for index in range(len(stream)) for event in splitter.feed(stream[index : index + 1])]
    assert b"".join(event.raw for event in events) == stream
    assert [event.raw for event in events if event.is_complete] == [b"data: y\n\n"]


def test_a_million_short_lines_are_searched_once() -> None:
    splitter = EventSplitter(100_000_000)
    stream = b"data: x\n" * 200_000
    for start in range(0, len(stream), 4096):
        assert splitter.feed(stream[start : start + 4096]) == []
    assert len(splitter.feed(b"\n")) == 1


def test_data_of_several_lines_is_joined() -> None:
    assert event_data(b"id: 1\r\ndata: a\r\ndata:b\r\n\r\n") == b"a\nb"
    assert event_data(b": ping\n\n") == b""
    assert event_data(b"data: {}\n\n") == b"{}"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_order_mark_before_the_first_event_belongs_to_no_field(line_end: bytes) -> None:
    mark = b"\xef\xbb\xbf"
    assert event_data(mark + b"data: a" + line_end * 2) == b"a"
    assert event_type(mark + b"event: endpoint" + line_end * 2) == b"endpoint"
    assert has_event_id(mark + b"id: 7" + line_end * 2)
    assert replace_event_data(mark + b"data: a" + line_end * 2, b"b") == b"data: b\n\n"
    assert remove_event_id(mark + b"id: 7" + line_end + b"data: a" + line_end * 2) == b"data: a\n\n"


def test_without_data_the_other_fields_are_left() -> None:
    assert replace_event_data(b"id: 7\ndata: a\ndata: b\n\n", b"") == b"id: 7\n\n"


def test_changed_data_keeps_the_other_fields() -> None:
    changed = replace_event_data(b"event: message\r\nid: 4\r\ndata: old\r\n\r\n", b"new")
    assert changed == b"event: message\nid: 4\ndata: new\n\n"


@given(st.lists(LINE, max_size=8), LINE_END)
def test_an_event_without_its_id_has_all_else(lines: list[bytes], line_end: bytes) -> None:
    event = line_end.join([*(line for line in lines if line), b"", b""])
    stripped = remove_event_id(event)
    assert not has_event_id(stripped)
    assert has_event_id(event) == (b"id: 7" in lines)
    assert (event_data(stripped), event_type(stripped)) == (event_data(event), event_type(event))


def test_fields_are_found_on_both_sides_of_large_data() -> None:
    data = b"data: " + b"x" * 100_000 + b"\n"
    for before, after in ((b"id: 7\nevent: a\n", b""), (b"", b"id: 7\nevent: a\n"), (b"event: a\n", b"id: 7\n")):
        event = before + data + after + b"\n"
        assert (has_event_id(event), event_type(event)) == (True, b"a")
    assert not has_event_id(data + b"\n")


_PIECES = st.sampled_from(
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
_AROUND = (b"", b"data: {}", b"\n", b"\r\n\r\n", b"event: message\n")


@given(st.lists(_PIECES, max_size=8).map(b"".join), st.sampled_from(_AROUND), st.sampled_from(_AROUND))
@example(b"data: {}\r\n\n", b"", b"")
@example(b"event: message\r\ndata: {}\r\n\r\n", b"", b"")
@example(b"data: {}\n\n", b"data: {}", b"\n")
def test_the_only_data_of_a_stream_is_that_of_its_one_event(stream: bytes, before: bytes, behind: bytes) -> None:
    data = single_event_data(before + stream + behind, len(before), len(before) + len(stream))
    assert data == single_event_data(stream, 0, len(stream))
    if data is not None:
        splitter = EventSplitter(1000)
        assert splitter.feed(stream) == [Event(stream, True)]
        assert not splitter.has_partial_event
        assert event_data(stream) == data
        assert not has_event_id(stream)
        assert event_type(stream) in (b"", b"message")


@given(st.lists(_PIECES, max_size=8).map(b"".join), st.sampled_from(_AROUND), st.sampled_from(_AROUND))
@example(b"data: {", b"", b"\n\n")
def test_within_data_no_event_has_come(stream: bytes, before: bytes, behind: bytes) -> None:
    is_within = is_inside_single_event(before + stream + behind, len(before), len(before) + len(stream))
    assert is_within == is_inside_single_event(stream, 0, len(stream))
    if is_within:
        assert EventSplitter(1000).feed(stream) == []
        assert single_event_data(stream + b"\n\n", 0, len(stream) + 2) is not None


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_usual_message_is_the_only_data_of_its_stream(end: bytes) -> None:
    line_end = end[: len(end) // 2]
    for start in (b"event: message" + line_end + b"data: ", b"data: "):
        stream = start + b'{"a":1}' + end
        assert single_event_data(stream, 0, len(stream)) == b'{"a":1}'
    begun = b"event: message" + line_end + b'data: {"a"'
    assert is_inside_single_event(begun, 0, len(begun))
    assert is_inside_single_event(begun + end, 0, len(begun))
    assert not is_inside_single_event(begun + end, 0, len(begun) + 1)
