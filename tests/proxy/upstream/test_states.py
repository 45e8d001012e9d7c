"""The transition tables of `response_parser` and `connection`, as transcripts.

`>>` is received from the upstream and `<<` is sent to it; `--` is another event. The state after it stands behind `=`.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.config import UpstreamTimeouts
from gateway.proxy.upstream.connection import ConnectionState, UpstreamConnection
from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.response_head import CachedResponseHead
from gateway.proxy.upstream.response_parser import ResponseParser


def steps(transcript: str) -> list[tuple[str, bytes, str]]:
    """Return (direction, bytes, state) of each line."""
    lines = [line.strip().rpartition(" = ") for line in transcript.strip().splitlines()]
    return [(line[:2], line[3:].strip().encode().decode("unicode_escape").encode(), state) for line, _, state in lines]


def cached_head(head: bytes) -> CachedResponseHead:
    first = ResponseParser(BodyBuffer())
    first.feed(head + (b"0\r\n\r\n" if b"chunked" in head else b""))
    assert first.cached_head is not None
    return first.cached_head


LENGTH = rb"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".decode()
CHUNKED = rb"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".decode()
CACHED = {
    "length": cached_head(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "chunked": cached_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}
RESPONSES = {
    "a length": rf"""
        >> {LENGTH}    = LENGTH_BODY
        >> o           = LENGTH_BODY
        >> k           = COMPLETE
    """,
    "a length and the body in one read": f">> {LENGTH}ok = COMPLETE",
    "chunks": rf"""
        >> {CHUNKED}   = CHUNKED_BODY
        >> 2\r\nok     = CHUNKED_BODY
        >> \r\n        = CHUNKED_BODY
        >> 0\r\n\r\n   = COMPLETE
    """,
    "a chunk with an extension": rf"""
        >> {CHUNKED}   = CHUNKED_BODY
        >> 2;a=b\r\nok = PARSED_BODY
        >> \r\n0\r\n   = PARSED_BODY
        >> \r\n        = COMPLETE
    """,
    "trailers": rf"""
        >> {CHUNKED}2\r\nok\r\n = CHUNKED_BODY
        >> 0\r\nX: y\r\n        = PARSED_BODY
        >> \r\n                 = COMPLETE
    """,
    "a head in two reads": r"""
        >> HTTP/1.1 200 OK\r\nCont     = HEAD
        >> ent-Length: 2\r\n\r\n       = PARSED_BODY
        >> ok                          = COMPLETE
    """,
    "no length": r"""
        >> HTTP/1.1 200 OK\r\n\r\n     = EOF_BODY
        >> ok                          = EOF_BODY
        -- eof                         = COMPLETE
    """,
    "no body": r">> HTTP/1.1 204 No Content\r\n\r\n = COMPLETE",
    "an informational response": rf"""
        >> HTTP/1.1 100 Continue\r\n\r\n = HEAD
        >> {LENGTH}ok                  = COMPLETE
    """,
    "bytes after the response": f"""
        >> {LENGTH}ok                  = COMPLETE
        >> more                        = COMPLETE
        -- eof                         = COMPLETE
    """,
    "an invalid head": r"""
        >> HTTP/2.0 200 OK\r\n\r\n     = FAILED
        >> more                        = FAILED
    """,
    "an invalid chunk": rf"""
        >> {CHUNKED}2\r\nok            = CHUNKED_BODY
        >> XX                          = FAILED
        -- eof                         = FAILED
    """,
    "an early end before the head": "-- eof = FAILED",
    "an early end within the body": f"""
        >> {LENGTH}o                   = LENGTH_BODY
        -- eof                         = FAILED
    """,
    "a close within the body": f"""
        >> {LENGTH}o                   = LENGTH_BODY
        -- close                       = FAILED
    """,
    "a close after the response": f"""
        >> {LENGTH}ok                  = COMPLETE
        -- close                       = COMPLETE
    """,
}


@pytest.mark.parametrize("cached", [None, *CACHED])
@pytest.mark.parametrize("name", RESPONSES)
def test_states_of_a_response(name: str, cached: str | None) -> None:
    parser = ResponseParser(BodyBuffer(), CACHED[cached] if cached else None)
    for direction, data, expected in steps(RESPONSES[name]):
        is_rejected = False
        try:
            if direction == ">>":
                parser.feed(data)
            elif data == b"eof":
                parser.feed_eof()
            else:
                parser.close()
        except ResponseError:
            is_rejected = True
        assert parser.state.name == expected
        assert is_rejected == (expected == "FAILED" and data != b"close")
    if name in ("bytes after the response", "no length", "a close after the response"):
        assert not parser.keep_alive
    elif parser.state.name == "COMPLETE":
        assert parser.keep_alive


CONNECTIONS = {
    "two requests": f"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> {LENGTH}o         = BUSY
        >> k                 = BUSY
        -- mark_idle         = IDLE
        << request           = BUSY
    """,
    "received bytes while idle": """
        -- connection_made   = IDLE
        >> HTTP/1.1 408      = CLOSED
    """,
    "the end of the stream while idle": """
        -- connection_made   = IDLE
        -- eof_received      = CLOSED
    """,
    "the keep-alive time-out": """
        -- connection_made   = IDLE
        -- on_deadline       = CLOSED
    """,
    "an invalid response": r"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> HTTP/2.0 200 OK\r\n\r\n = CLOSED ResponseError
    """,
    "bytes after a response": f"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> {LENGTH}ok        = BUSY
        >> more              = CLOSED
    """,
    "the end of the stream within a response": f"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> {LENGTH}o         = BUSY
        -- eof_received      = CLOSED ResponseError
    """,
    "the end of the stream after a response": f"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> {LENGTH}ok        = BUSY
        -- eof_received      = CLOSED
        -- connection_lost   = CLOSED
    """,
    "the first-byte time-out": """
        -- connection_made   = IDLE
        << request           = BUSY
        -- on_deadline       = CLOSED FirstByteTimeoutError
    """,
    "the idle time-out": f"""
        -- connection_made   = IDLE
        << request           = BUSY
        >> {LENGTH}o         = BUSY
        -- on_deadline       = CLOSED IdleTimeoutError
    """,
    "a reset": """
        -- connection_made   = IDLE
        << request           = BUSY
        -- connection_lost   = CLOSED ResponseError
    """,
    "an abort": """
        -- connection_made   = IDLE
        << request           = BUSY
        -- abort             = CLOSED
        -- connection_lost   = CLOSED ResponseError
    """,
}


class RecordingTransport:
    """A transport without a socket."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_aborted = True

    def get_extra_info(self, _name: str) -> None:
        return None


@pytest.mark.parametrize("name", CONNECTIONS)
def test_states_of_a_connection(name: str) -> None:
    loop = cast(asyncio.AbstractEventLoop, SimpleNamespace(time=lambda: 0.0))
    connection = UpstreamConnection(loop, UpstreamTimeouts(connect=1, first_byte=1, idle=1))
    transport = RecordingTransport()
    events: dict[str, tuple[Any, ...]] = {
        "connection_made": (transport,),
        "connection_lost": (None,),
        "mark_idle": (1.0,),
    }
    assert connection.state is ConnectionState.CONNECTING
    for direction, data, expected in steps(CONNECTIONS[name]):
        if direction == "<<":
            connection.send_request(data)
            assert transport.written[-1] == data
        elif direction == ">>":
            connection.data_received(data)
        else:
            getattr(connection, data.decode())(*events.get(data.decode(), ()))
        state, _, error = expected.partition(" ")
        assert connection.state.name == state
        assert type(connection.error).__name__ == (error or "NoneType")
