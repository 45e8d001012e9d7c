"""Parses one HTTP/1.1 response of the upstream from the bytes of its connection.

Guarantees:

- The parser is strict: what `llhttp_reader` rejects, it rejects.
- A response is complete at its stated length, at its last chunk or, if it states no length, at the end of the stream;
  never otherwise.
- Bytes after a complete response are not part of it, and its connection carries no other.

A parser is in one state at a time. This is its transition table:

| state          | input                                                    | next state                     |
| -------------- | -------------------------------------------------------- | ------------------------------ |
| `START`        | bytes that begin with the cached head                    | `LENGTH_BODY`, `CHUNKED_BODY`  |
| `START`        | a whole head that states a length and allows a body      | `LENGTH_BODY`, `CHUNKED_BODY`  |
| `START`        | other bytes                                              | as from `HEAD`                 |
| `HEAD`         | part of a head                                           | `HEAD`                         |
| `HEAD`         | the end of a head that states a length                   | `PARSED_BODY`                  |
| `HEAD`         | the end of a head that states no length                  | `EOF_BODY`                     |
| `HEAD`         | the end of a head that allows no body                    | `COMPLETE`                     |
| `LENGTH_BODY`  | the last byte of the stated length                       | `COMPLETE`                     |
| `CHUNKED_BODY` | the last chunk, without extensions and trailers          | `COMPLETE`                     |
| `CHUNKED_BODY` | extensions, trailers, very many chunks, half a size line | `PARSED_BODY`                  |
| `PARSED_BODY`  | the end of the body                                      | `COMPLETE`                     |
| `EOF_BODY`     | the end of the stream                                    | `COMPLETE`                     |
| `COMPLETE`     | more bytes                                               | `COMPLETE`, not `keep_alive`   |
| any other      | bytes that violate HTTP, the end of the stream, `close`  | `FAILED`                       |
| `FAILED`       | anything                                                 | `FAILED`                       |

llhttp reads in `HEAD`, `PARSED_BODY` and `EOF_BODY`. The other states are a shortcut: they find the end of a typical
body without inspecting each byte. The cached head is the last one of the connection: a head with the same bytes, except
for the number of its length, means the same. Large bodies are received directly into their destination, see
`gateway.proxy.upstream.body_buffer`.

Does no I/O.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import count

from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.llhttp_reader import LlhttpReader, ParsedHead, invalid_response
from gateway.proxy.upstream.response_head import CachedResponseHead, keep_alive_timeout, template_of

_MIN_DIRECT = 64 * 1024
"""Outstanding bytes of a body or chunk above which they are received directly into their destination."""
_MAX_DIRECT = 4 * 1024 * 1024
"""Bytes of memory that are allocated because a response announces so many."""
_MAX_CHUNKS = 64
"""Chunks in one read from which on llhttp is faster."""

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")


class ResponseState(Enum):
    """Progress of a response; see the transition table of this module."""

    START = "start"
    HEAD = "head"
    LENGTH_BODY = "length body"
    CHUNKED_BODY = "chunked body"
    PARSED_BODY = "parsed body"
    EOF_BODY = "eof body"
    COMPLETE = "complete"
    FAILED = "failed"


START, HEAD, LENGTH_BODY, CHUNKED_BODY, PARSED_BODY, EOF_BODY, COMPLETE, FAILED = ResponseState


class ResponseParser:
    """Parses one response into its head and `body`. Feed it the bytes of the connection in their order."""

    # Defaults on the class: one parser is made for each request.
    state = START
    status = 0
    """HTTP status; 0 until the head is complete."""
    reason = ""
    content_length: int | None = None
    keep_alive = False
    """True if the connection may carry another response; final once the response is complete."""
    keep_alive_timeout: int | None = None
    """Seconds after the response for which the upstream keeps the connection open, if its head tells."""
    _remaining = 0
    """Outstanding bytes of the body (`LENGTH_BODY`) or of the current chunk (`CHUNKED_BODY`)."""
    _chunk_end = b""
    """Outstanding bytes of the line end after the current chunk."""
    _llhttp: LlhttpReader | None = None

    def __init__(self, body: BodyBuffer, cached_head: CachedResponseHead | None = None) -> None:
        self.body = body
        self.cached_head = cached_head
        """The head of this response if it can be cached; before that, of the last one on the connection."""
        self.headers: list[tuple[bytes, bytes]] = []
        """Fields of the head without `Content-Length`; the same list while the head is the cached one."""
        self.trailers: list[tuple[bytes, bytes]] = []

    @property
    def is_complete(self) -> bool:
        """True if the whole response has been received."""
        return self.state is COMPLETE

    @property
    def is_event_stream(self) -> bool:
        """True if the response is a stream of server-sent events, for a client that may read the type leniently."""
        types = [value.lower() for name, value in self.headers if name.lower() == b"content-type"]
        return b"text/event-stream" in b",".join(types)

    def header(self, name: bytes) -> str:
        """Return a field of the head by its lower-case name; empty if it is absent."""
        for field, value in self.headers:
            if len(field) == len(name) and field.lower() == name:
                return value.decode("latin-1")
        return ""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes. Raises `ResponseError`."""
        if self.state is START:
            if self.cached_head is None or not self._start_cached(data, self.cached_head):
                self._start(data)
        elif self.body.recv_buffer is not None:
            self._fill_recv_buffer(data, self.body.recv_buffer)
        else:
            self._continue(data, 0)

    def buffer_updated(self, size: int) -> None:
        """Account for `size` bytes that were received into `body.recv_buffer`."""
        self._remaining -= size
        self.body.advance(size)
        if not self._remaining and self.state is LENGTH_BODY:
            self.state = COMPLETE

    def feed_eof(self) -> None:
        """Parse the end of the stream. Raises `ResponseError` if the response is not complete with it."""
        self.keep_alive = False
        if self.state is EOF_BODY:
            self._complete(keep_alive=False)
        elif self.state is not COMPLETE:
            self.close()
            raise ResponseError("The upstream closed the connection before its response was complete")

    def close(self) -> None:
        """Ignore everything that may still arrive. Received body bytes stay readable."""
        self._close_llhttp()
        self.body.end_direct_receive()
        self.keep_alive = False
        if self.state is not COMPLETE:
            self.state = FAILED

    # The beginning of a response.

    def _start_cached(self, data: bytes, cached: CachedResponseHead) -> bool:
        """Return True if the response begins with the cached head; then it was read."""
        match = cached.match(data)
        if match is None:
            return False
        body_start, length = match
        if length is None:
            self.state = CHUNKED_BODY
        else:
            self.content_length = self._remaining = length
            self.state = LENGTH_BODY
        _, self.status, self.reason, self.headers, self.keep_alive_timeout = cached
        # Otherwise no response would have followed the one that the head was cached from.
        self.keep_alive = True
        if self._remaining and len(data) - body_start == self._remaining:
            # The whole response has arrived, as most do.
            self.body.append_slice(data, body_start, len(data))
            self.state = COMPLETE
        else:
            self._continue(data, body_start)
        return True

    def _start(self, data: bytes) -> None:
        reader = self._llhttp = LlhttpReader(self.body, self.trailers)
        head_end = data.find(_HEAD_END) + len(_HEAD_END)
        if head_end < len(_HEAD_END):
            self._feed_llhttp(data)
            return
        self._feed_llhttp(data[:head_end])
        head = reader.head
        if head is not None and head.has_length and head.has_body:
            self._start_body(head, data[:head_end], reader)
        self._continue(data, head_end)

    def _start_body(self, head: ParsedHead, raw: bytes, reader: LlhttpReader) -> None:
        """Read a body by the shortcut, and cache the head that states its length."""
        template = template_of(raw, is_chunked=head.is_chunked)
        if template is not None:
            self.cached_head = CachedResponseHead(
                template, head.status, head.reason, head.headers, self.keep_alive_timeout
            )
        if self.state is not COMPLETE:
            self.keep_alive = reader.should_keep_alive()
            if head.is_chunked:
                self.state = CHUNKED_BODY
            else:
                self.state, self._remaining = LENGTH_BODY, head.content_length or 0
                self._close_llhttp()

    # Its body.

    def _continue(self, data: bytes, at: int) -> None:
        """Parse `data` from `at` on, in any state but `START`."""
        state = self.state
        if state is LENGTH_BODY:
            at = self._take_body(data, at)
            if not self._remaining:
                self._complete(keep_alive=self.keep_alive and at == len(data))
        elif state is CHUNKED_BODY:
            self._read_chunks(data, at)
        elif at == len(data):
            pass
        elif state is COMPLETE:
            self.keep_alive = False
        elif state is FAILED:
            raise invalid_response()
        else:
            self._feed_llhttp(data[at:] if at else data)

    def _read_chunks(self, data: bytes, at: int) -> None:
        for chunks in count():
            at = self._take_body(data, at)
            if self._remaining:
                return
            if self._chunk_end and at < len(data):
                line_end = data[at : at + len(self._chunk_end)]
                if not self._chunk_end.startswith(line_end):
                    self.close()
                    raise invalid_response()
                self._chunk_end = self._chunk_end[len(line_end) :]
                at += len(line_end)
            if at == len(data):
                return
            size = _CHUNK_SIZE.match(data, at)
            if size is None or not (length := int(size[1], 16)) or chunks == _MAX_CHUNKS:
                break
            self._remaining, self._chunk_end, at = length, b"\r\n", size.end()
        if data.startswith(_LAST_CHUNK, at) and len(data) == at + len(_LAST_CHUNK):
            self._complete(keep_alive=self.keep_alive)
        else:
            if self._llhttp is None:
                self._llhttp = LlhttpReader.at_chunk(self.body, self.trailers, self.status, self.headers)
            self._feed_llhttp(data[at:])

    def _take_body(self, data: bytes, at: int) -> int:
        """Move outstanding body bytes from `data`, from `at` on, to `body`; return the position after them."""
        remaining = self._remaining
        size = min(remaining, len(data) - at)
        if remaining - size > _MIN_DIRECT and remaining <= _MAX_DIRECT:
            self.body.receive_directly(remaining, memoryview(data)[at:])
        elif size:
            self.body.append_slice(data, at, at + size)
        self._remaining = remaining - size
        return at + size

    def _fill_recv_buffer(self, data: bytes, recv_buffer: memoryview) -> None:
        """Copy bytes that were not received into `recv_buffer`, although there is one."""
        size = min(len(recv_buffer), len(data))
        recv_buffer[:size] = memoryview(data)[:size]
        self.buffer_updated(size)
        if size < len(data):
            self._continue(data, size)

    def _feed_llhttp(self, data: bytes) -> None:
        reader = self._llhttp
        assert reader is not None
        try:
            reader.feed(data)
        except ResponseError:
            self.close()
            raise
        finally:
            head = reader.head
            if head is not None and not self.status:
                self.status, self.reason, self.headers = head.status, head.reason, head.headers
                self.content_length = head.content_length
                self.keep_alive_timeout = keep_alive_timeout(head.headers)
        if reader.is_complete:
            self._complete(keep_alive=reader.keep_alive)
        elif head is None:
            self.state = HEAD
        else:
            self.state = PARSED_BODY if head.has_length else EOF_BODY

    def _complete(self, *, keep_alive: bool) -> None:
        self._close_llhttp()
        self.state = COMPLETE
        self.keep_alive = keep_alive

    def _close_llhttp(self) -> None:
        if self._llhttp is not None:
            self._llhttp.close()
            self._llhttp = None
