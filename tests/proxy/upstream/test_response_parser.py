"""A response is parsed alike however its bytes are divided into segments, and is never complete before its end."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.response_parser import COMPLETE
from tests.proxy.upstream.responses import (
    Sample,
    assert_parsed,
    new_parser,
    parsers,
    samples,
    split,
)
from tests.support.wire import chunked


@given(samples(), st.sets(st.integers(1, 600)))
def test_the_result_does_not_depend_on_the_segments(sample: Sample, cuts: set[int]) -> None:
    for parser in parsers(sample):
        body = b""
        for segment in split(sample.raw, cuts):
            assert parser.state is not COMPLETE
            parser.feed(segment)
            body += parser.body.read_nowait()
        if sample.ends_with_eof:
            assert parser.state is not COMPLETE
            parser.feed_eof()
        assert_parsed(parser, sample, body)


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=4), st.sets(st.integers(1, 200)))
def test_responses_with_a_cached_head_and_other_lengths_are_parsed_alike(bodies: list[bytes], cuts: set[int]) -> None:
    cached = None
    for body in bodies:
        parser, read = new_parser(cached), b""
        raw = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: %d\r\nY: z\r\n\r\n%b" % (len(body), body)
        for segment in split(raw, cuts if cached else set()):
            parser.feed(segment)
            read += parser.body.read_nowait()
        assert (parser.status, parser.headers) == (200, [(b"X", b"y"), (b"Y", b"z")])
        assert (parser.content_length, read, parser.state is COMPLETE, parser.keep_alive) == (
            len(body),
            body,
            True,
            True,
        )
        cached = parser.cached_head


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=2, max_size=4), st.sets(st.integers(1, 200)))
def test_chunked_responses_with_a_cached_head_are_parsed_alike(bodies: list[bytes], cuts: set[int]) -> None:
    cached = None
    for body in bodies:
        parser, read = new_parser(cached), b""
        raw = b"HTTP/1.1 202 Fine\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, b"end")
        for segment in split(raw, cuts if cached else set()):
            parser.feed(segment)
            read += parser.body.read_nowait()
        assert (parser.status, parser.reason) == (202, "Fine")
        assert parser.headers == [(b"X", b"y"), (b"Transfer-Encoding", b"chunked")]
        assert (parser.content_length, read) == (None, body + b"end")
        assert (parser.state is COMPLETE, parser.keep_alive) == (True, True)
        cached = parser.cached_head
        assert cached is not None


def test_a_head_that_differs_from_the_cached_one_in_more_than_the_number_is_parsed() -> None:
    first = new_parser()
    first.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2 \r\nX: \0\r\n\r\nok",
    ):
        with pytest.raises(ResponseError):
            new_parser(first.cached_head).feed(raw)
    closing = new_parser(first.cached_head)
    closing.feed(b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    assert (closing.status, (closing.state is COMPLETE), closing.keep_alive) == (201, True, False)


@given(samples(), st.data())
def test_a_truncated_response_is_never_complete(sample: Sample, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(sample.raw) - 1))
    for parser in parsers(sample):
        if end:
            parser.feed(sample.raw[:end])
        assert parser.state is not COMPLETE
        if sample.ends_with_eof and parser.status:
            # Without a length, it ends wherever the stream ends.
            parser.feed_eof()
            assert sample.body.startswith(parser.body.read_nowait())
            assert not parser.keep_alive
        else:
            with pytest.raises(ResponseError):
                parser.feed_eof()
            assert parser.state is not COMPLETE


@given(
    samples().filter(lambda sample: not sample.ends_with_eof),
    st.sampled_from(
        [b"X", b"\0", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nContent-Length: 1\r\n\r\nx", b"H"]
    ),
    st.sets(st.integers(1, 600)),
)
def test_bytes_after_a_response_are_not_part_of_it_and_clear_keep_alive(
    sample: Sample, garbage: bytes, cuts: set[int]
) -> None:
    for parser in parsers(sample):
        body = b""
        for segment in split(sample.raw + garbage, cuts):
            parser.feed(segment)
            body += parser.body.read_nowait()
        assert_parsed(parser, sample._replace(is_keep_alive=False), body)


@given(st.binary(max_size=300), st.sets(st.integers(1, 300)))
def test_arbitrary_bytes_raise_nothing_but_a_response_error(noise: bytes, cuts: set[int]) -> None:
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        parser = new_parser()
        try:
            for segment in split(prefix + noise, cuts):
                parser.feed(segment)
            parser.feed_eof()
        except ResponseError as error:
            assert str(error).startswith("The upstream")  # noqa: PT017
            with pytest.raises(ResponseError):
                parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert parser.state is not COMPLETE


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabGARBAGE",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_a_response_that_has_ended_leaves_no_reference_cycle(raw: bytes) -> None:
    gc.disable()
    try:
        parser = new_parser()
        try:
            parser.feed(raw)
        except ResponseError as error:
            error.__context__ = None
        gone = weakref.ref(parser)
        del parser
        assert gone() is None
    finally:
        gc.enable()
