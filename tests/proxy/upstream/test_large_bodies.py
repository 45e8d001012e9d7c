"""A large body is received directly into its destination, and is the same however it is received and read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.response_parser import COMPLETE, ResponseParser
from tests.proxy.upstream.responses import (
    CUTS,
    LARGE,
    large_response,
    new_parser,
    split,
)
from tests.support.wire import chunked


@given(
    st.lists(st.sampled_from([1, 700, 65_536, 65_540, 150_000]), min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.integers(1, 500_000), max_size=6),
    st.booleans(),
    st.data(),
)
def test_a_large_body_is_the_same_whether_it_is_fed_or_received_directly(
    sizes: list[int], is_chunked: bool, cuts: list[int], is_read_immediately: bool, data: st.DataObject
) -> None:
    body = b"".join(bytes([65 + number]) * size for number, size in enumerate(sizes))
    if is_chunked:
        parts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts)
    else:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    cached = None
    for _ in range(2):
        parser, read = new_parser(cached), b""
        for segment in split(raw, set(cuts)):
            while segment:
                assert parser.state is not COMPLETE
                if parser.body.recv_buffer is not None and data.draw(st.booleans()):
                    size = min(len(segment), len(parser.body.recv_buffer))
                    parser.body.recv_buffer[:size] = segment[:size]
                    parser.buffer_updated(size)
                    segment = segment[size:]
                else:
                    parser.feed(segment)
                    segment = b""
                if is_read_immediately:
                    read += parser.body.read_nowait()
        while parser.body.unread_bytes:
            read += parser.body.read_nowait()
        assert (read == body, parser.state is COMPLETE, parser.keep_alive) == (True, True, True)
        assert (parser.body.recv_buffer, parser.body.read_nowait()) == (None, b"")
        cached = parser.cached_head


def test_a_large_chunk_without_its_line_end_is_an_error() -> None:
    parser = new_parser()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n")
    assert parser.body.recv_buffer is not None
    parser.buffer_updated(len(parser.body.recv_buffer))
    assert parser.body.unread_bytes == 0x20000
    with pytest.raises(ResponseError):
        parser.feed(b"\nX")
    with pytest.raises(ResponseError):
        parser.feed_eof()


def test_a_large_body_that_ends_early_while_received_directly_is_not_complete() -> None:
    for head in (b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n20000\r\n"):
        parser = new_parser()
        parser.feed(b"HTTP/1.1 200 OK\r\n" + head)
        assert parser.body.recv_buffer is not None
        parser.buffer_updated(100_000)
        assert len(parser.body.read_nowait()) == 100_000
        with pytest.raises(ResponseError):
            parser.feed_eof()
        assert parser.state is not COMPLETE


def test_a_large_body_that_was_received_directly_is_one_chunk() -> None:
    parser = new_parser()
    parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nabc")
    assert parser.body.recv_buffer is not None
    parser.body.recv_buffer[-1:] = b"z"
    parser.buffer_updated(len(parser.body.recv_buffer))
    body = parser.body.read_nowait()
    assert isinstance(body, bytearray)
    assert (len(body), bytes(body[:3]), bytes(body[-1:])) == (200_000, b"abc", b"z")


def receive(parser: ResponseParser, raw: bytes, cuts: set[int], reads: Iterator[bool]) -> bytes:
    """Receive as a connection does, directly if there is a `recv_buffer`; return what was read meanwhile."""
    read = b""
    for segment in split(raw, cuts):
        left = segment
        while left:
            if parser.body.recv_buffer is None:
                parser.feed(left)
                left = b""
            else:
                size = min(len(left), len(parser.body.recv_buffer))
                parser.body.recv_buffer[:size] = left[:size]
                parser.buffer_updated(size)
                left = left[size:]
            if next(reads):
                read += parser.body.read_nowait()
    return read


def read_all(parser: ResponseParser) -> bytes:
    """Read everything that is unread."""
    rest = b""
    while parser.body.unread_bytes:
        chunk = parser.body.read_nowait()
        assert chunk
        rest += chunk
    assert parser.body.read_nowait() == b""
    return rest


READS = st.lists(st.booleans(), min_size=1, max_size=5)


@given(LARGE, st.booleans(), CUTS, READS)
@settings(deadline=None)
def test_a_large_body_does_not_depend_on_segments_and_reads(
    sizes: list[int], is_chunked: bool, cuts: set[int], reads: list[bool]
) -> None:
    raw, body = large_response(sizes, is_chunked=is_chunked)
    first = new_parser()
    first.feed(large_response([5], is_chunked=is_chunked)[0])
    for parser in (new_parser(), new_parser(first.cached_head)):
        assert receive(parser, raw, cuts, itertools.cycle(reads)) + read_all(parser) == body
        assert (parser.state is COMPLETE, parser.keep_alive, parser.body.recv_buffer) == (True, True, None)


@given(LARGE, st.booleans(), CUTS)
@settings(deadline=None)
def test_an_unread_large_body_has_a_contiguous_view(sizes: list[int], is_chunked: bool, cuts: set[int]) -> None:
    raw, body = large_response(sizes, is_chunked=is_chunked)
    first = new_parser()
    first.feed(large_response([5], is_chunked=is_chunked)[0])
    for parser in (new_parser(), new_parser(first.cached_head)):
        receive(parser, raw, cuts, itertools.repeat(False))
        source, start, end = parser.body.view()
        assert source[start:end] == body
        assert read_all(parser) == body


@given(LARGE, st.booleans(), CUTS, READS, st.integers(60, 400_000), st.booleans())
@settings(deadline=None)
def test_received_bytes_of_a_large_body_can_be_read_after_an_early_end(
    sizes: list[int], is_chunked: bool, cuts: set[int], reads: list[bool], end: int, is_closed: bool
) -> None:
    raw, body = large_response(sizes, is_chunked=is_chunked)
    parser = new_parser()
    read = receive(parser, raw[: min(end, len(raw) - 1)], cuts, itertools.cycle(reads))
    received = len(read) + parser.body.unread_bytes
    if not is_closed:
        with pytest.raises(ResponseError):
            parser.feed_eof()
    parser.close()
    read += read_all(parser)
    assert read == body[:received]
    assert (parser.state is COMPLETE, parser.keep_alive, parser.body.recv_buffer) == (False, False, None)
