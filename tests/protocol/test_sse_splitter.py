"""A stream is split into events at blank lines, and at nothing else."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.buffers import Chunk
from gateway.protocol.sse_event import event_data
from gateway.protocol.sse_splitter import EventSplitter
from tests.protocol.sse_streams import STREAM

CUTS = st.lists(st.integers(0, 400), max_size=8)


def split(stream: bytes, cuts: list[int]) -> tuple[list[bytes | bytearray], bytes | bytearray]:
    """Feed a stream cut at these positions; return its events and the rest."""
    splitter = EventSplitter(10_000)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for a, b in itertools.pairwise(edges) for event in splitter.feed(stream[a:b])]
    assert all(event.is_complete for event in events)
    return [event.raw for event in events], splitter.flush()


@pytest.mark.parametrize(
    "transcript",
    [
        [">> data: 1\n\n", "<< data: 1\n\n"],
        [">> data: 1\n\ndata: 2\n\n", "<< data: 1\n\n", "<< data: 2\n\n"],
        [">> data: 1\n", ">> \n", "<< data: 1\n\n"],
        [">> data: 1\r\n\r", ">> \n", "<< data: 1\r\n\r\n"],
        # The next byte might be the line feed of a CR LF.
        [">> data: 1\r\r", ">> d", "<< data: 1\r\r"],
        [">> : ping\n\n", "<< : ping\n\n"],
    ],
)
def test_an_event_is_returned_as_soon_as_its_blank_line_is_complete(transcript: list[str]) -> None:
    splitter = EventSplitter(1000)
    played = []
    for line in transcript:
        if line.startswith(">>"):
            events = splitter.feed(line[3:].encode())
            played += [line, *(f"<< {event.raw.decode()}" for event in events)]
    assert played == transcript


@given(STREAM, CUTS)
def test_the_events_do_not_depend_on_how_the_stream_is_cut_into_chunks(stream: bytes, cuts: list[int]) -> None:
    assert split(stream, cuts) == split(stream, [])


@given(STREAM, CUTS)
def test_no_byte_is_added_or_lost(stream: bytes, cuts: list[int]) -> None:
    events, rest = split(stream, cuts)
    assert b"".join(events) + rest == stream


BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


@given(STREAM, st.integers(0, 3), st.lists(st.integers(0, 40_000), max_size=8), st.booleans())
def test_an_event_ends_at_two_consecutive_line_ends(
    stream: bytes, large: int, cuts: list[int], are_views: bool
) -> None:
    stream = stream.replace(b"{}", b"x" * 9000, large) + b"data"
    splitter = EventSplitter(100_000)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    source: Chunk = memoryview(bytearray(stream)) if are_views else stream
    events = [event.raw for a, b in itertools.pairwise(edges) if a < b for event in splitter.feed(source[a:b])]
    ends = [0, *(match.end() for match in BLANK_LINE.finditer(stream))]
    assert events == [stream[a:b] for a, b in itertools.pairwise(ends)]
    assert splitter.flush() == stream[ends[-1] :]


def test_a_large_event_in_views_of_one_buffer_is_not_copied_and_neither_is_its_data() -> None:
    buffer = bytearray(b"event: message\r\ndata: " + b"x" * 100_000 + b"\r\n\r\n")
    views = [memoryview(buffer)[a:b] for a, b in itertools.pairwise([0, 30_000, 60_000, len(buffer)])]
    splitter = EventSplitter(1_000_000)
    (event,) = [event for view in views for event in splitter.feed(view)]
    assert event.raw is buffer
    data = event_data(event.raw)
    assert isinstance(data, memoryview)
    assert (data.obj, bytes(data)) == (buffer, b"x" * 100_000)


def test_an_event_beyond_the_bound_passes_in_parts_and_the_next_one_whole() -> None:
    splitter = EventSplitter(10)
    stream = b"data: " + b"x" * 50 + b"\n\ndata: y\n\n"
    events = [event for index in range(len(stream)) for event in splitter.feed(stream[index : index + 1])]
    assert b"".join(event.raw for event in events) == stream
    assert [event.raw for event in events if event.is_complete] == [b"data: y\n\n"]


@pytest.mark.parametrize("size", [1, 7, 12, 40, 80])
def test_an_event_beyond_the_bound_is_never_complete_however_its_end_arrives(size: int) -> None:
    splitter = EventSplitter(10)
    stream = b"data: " + b"x" * 50 + b"\n\ndata: y\n\n"
    events = [event for start in range(0, len(stream), size) for event in splitter.feed(stream[start : start + size])]
    assert b"".join(event.raw for event in events) == stream
    assert [event.raw for event in events if event.is_complete] == [b"data: y\n\n"]
    assert [event.is_last for event in events if not event.is_complete][-1]


def test_a_large_event_whose_last_chunk_exceeds_the_bound_is_not_complete() -> None:
    splitter = EventSplitter(150_000)
    chunks = [b"data: " + b"x" * 100_000, b"x" * 49_990, b"x" * 100 + b"\n\n"]
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    assert [(len(event.raw), event.is_complete, event.is_last) for event in events] == [(150_098, False, True)]


def test_an_event_of_many_short_lines_is_searched_once() -> None:
    splitter = EventSplitter(100_000_000)
    stream = b"data: x\n" * 200_000
    for start in range(0, len(stream), 4096):
        assert splitter.feed(stream[start : start + 4096]) == []
    assert len(splitter.feed(b"\n")) == 1
