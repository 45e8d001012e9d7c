"""`RequestFraming` finds the same request boundaries and errors however the bytes are divided into segments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.downstream.framing import MAX_HEAD, FramingError, RequestFraming
from tests.proxy.downstream.lines import CHUNKED, POST
from tests.support.wire import (
    PING,
    chunked,
    request,
)


def walk(*segments: bytes) -> str:
    """Feed these segments; return the error, or where in a request they end."""
    framing = RequestFraming()
    fed = checked = b""
    try:
        for segment in segments:
            while segment:
                more, size = framing.feed(segment)
                fed, segment, checked = fed + segment[:size], segment[size:], checked + more
                assert fed.startswith(checked)
                assert checked == fed or not framing.is_between_requests
    except FramingError as error:
        return str(error)
    return "between requests" if framing.is_between_requests else "within a request"


STREAMS = [
    request() + request(body=b"") + request(POST, CHUNKED, body=chunked(PING, PING), length=False) + request(),
    request(POST, CHUNKED, body=chunked(PING, end=b"0\r\nX: y\r\nZ: w\r\n\r\n"), length=False) + b"POST /m",
    request(POST, CHUNKED, body=chunked(PING, end=b"0x\r\n"), length=False),
    request(POST, CHUNKED, body=b"28;x=y\r\n" + PING + b"\r\n00000000000000000\r\n\r\n", length=False),
    request(POST, CHUNKED, body=b"28\n" + PING + b"\r\n0\r\n\r\n", length=False),
    request(POST, CHUNKED, body=chunked(PING, end=b"0\r\nX: y\n\r\n\r\n"), length=False),
    request(POST, CHUNKED, body=chunked(PING, end=b"0\r\nX: y\rz\r\n\r\n"), length=False),
    request() + request(POST, CHUNKED),
    request() + b"GARBAGE\r\n\r\n",
    request(b"POST /mcp#x HTTP/1.1"),
]


@given(st.sampled_from(STREAMS), st.sets(st.integers(1, 400)))
def test_the_result_does_not_depend_on_the_segments(stream: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    assert walk(*(stream[start:end] for start, end in itertools.pairwise(edges))) == walk(stream)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_framing_error(data: bytes) -> None:
    walk(data)
    walk(request(POST, CHUNKED, body=data, length=False))
    walk(request(POST, data, length=False))


def test_no_more_than_a_head_is_buffered() -> None:
    framing = RequestFraming()
    framing.feed(b"POST /mcp HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD - 100))
    with pytest.raises(FramingError):
        framing.feed(b"a" * 200)


def test_many_small_chunks_are_an_error_before_the_body_is_complete() -> None:
    framing = RequestFraming()
    framing.feed(request(POST, CHUNKED, body=b"", length=False))
    framing.feed(b"1\r\nx\r\n" * 1000)
    with pytest.raises(FramingError, match="Too many small chunks"):
        framing.feed(b"1\r\nx\r\n")
