"""Heads that are not strict HTTP/1.1 are rejected, and input without body bytes is bounded."""

from __future__ import annotations

import pytest

from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.llhttp_reader import MAX_HEAD, MAX_HEADERS
from gateway.proxy.upstream.response_parser import COMPLETE, ResponseParser
from tests.proxy.upstream.responses import (
    new_parser,
)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2",
        b"HTTP/1.1 200 OK\r\nContent-Length: ",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b",
        b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b",
        b"HTTP/1.1 200 OK\r\nX: a\0b",
        b"HTTP/1.1 200 OK\r\nX\0: b",
        b"HTTP/1.1 200 OK\r\n: b",
        b"HTTP/1.1 200 OK\r\nX : b",
        b"HTTP/1.1 200 OK\r\nX",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 OK",
        b"HTTP/1.1 200 a\0b",
        b"HTTP/1.1 200 a\rb",
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 2",
        b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEADERS + 1) + b"Z: y",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD,
        b"HTTP/1.1 200 OK\r\n" + b"y" * (MAX_HEAD + 1) + b": z",
        b"HTTP/1.1 200 " + b"y" * (MAX_HEAD + 1),
    ],
    ids=lambda head: str(head[:80]),
)
def test_a_head_that_is_not_strict_is_an_error_at_once_and_byte_by_byte(head: bytes) -> None:
    for size in (len(head) + 4, 1 if len(head) < 1000 else 1000):
        parser = new_parser()
        with pytest.raises(ResponseError):
            _feed(parser, head + b"\r\n\r\n", size)
        assert not parser.status


def _feed(parser: ResponseParser, raw: bytes, size: int) -> None:
    for start in range(0, len(raw), size):
        parser.feed(raw[start : start + size])


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"y" * 100,
        b"\r\n" * 100,
    ],
    ids=["1xx", "a trailer", "trailers", "a chunk's extension", "line ends"],
)
def test_endless_input_without_body_bytes_is_bounded(endless: bytes) -> None:
    parser = new_parser()
    parser.feed(endless)
    rest = endless[-6:] * 2000 if endless.startswith(b"HTTP/1.1 2") else endless * 20
    with pytest.raises(ResponseError):
        _feed(parser, rest * (2 * MAX_HEAD // len(rest) + 2), len(rest))


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("field", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
def test_a_204_or_304_with_a_length_is_complete_and_closes_its_connection(status: int, field: bytes) -> None:
    parser = new_parser()
    parser.feed(b"HTTP/1.1 %d X\r\n%b\r\n\r\n" % (status, field))
    assert (parser.state is COMPLETE, parser.keep_alive, parser.body.read_nowait()) == (True, False, b"")


def test_the_reason_of_an_informational_response_is_dropped() -> None:
    parser = new_parser()
    parser.feed(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")
    assert (parser.status, parser.reason, parser.headers) == (200, "", [])
