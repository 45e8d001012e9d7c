"""Splits a stream of server-sent events into events, byte for byte.

Guarantees (HTML standard, section 9.2.6):

- The events, joined, are the chunks that were fed, joined: no byte is added, dropped or changed.
- An event is returned as soon as its blank line is complete, for the line ends `\\n`, `\\r\\n` and `\\r`, however the
  stream is divided into chunks. After a lone `\\r` the next byte decides, so such an event waits for it.
- At most one event is buffered, and at most `max_event` bytes of it: a larger one is passed on in parts, also if its
  end arrives with the bytes that make it too large.

`gateway.protocol.sse_event` reads and changes the fields of an event.
"""

from __future__ import annotations

import msgspec

from gateway.protocol.buffers import Chunk, join_chunks, underlying_buffer
from gateway.protocol.sse_event import LARGE_CHUNK, line_bounds


class Event(msgspec.Struct, frozen=True):
    """An event with its blank line, or part of one that is too large to be buffered."""

    raw: bytes | bytearray
    is_complete: bool
    """False for each part of an event that is too large, also for the last part."""
    is_last: bool = False
    """True for the last part of an event that is too large."""


class EventSplitter:
    """Buffers chunks until they complete an event.

    A large event that arrives in large chunks is not copied for each of them: the chunks are kept in a list, and joined
    once when the event ends.
    """

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._buffer = bytearray()
        """The beginning of an event, or of the next part of one that is too large."""
        self._large_chunks: list[Chunk] = []
        """Large chunks after `_buffer`. Only the first may contain line ends, and none ends with one."""
        self._large_size = 0
        self._searched = 0
        """Bytes of `_buffer` that contain no end of an event."""
        self._is_oversized = False
        """True within an event of which parts were passed on."""

    def feed(self, chunk: Chunk) -> list[Event]:
        """Take the next chunk of the stream, and return the events that it completes."""
        if not self._is_oversized:
            if not self.has_partial_event:
                if len(chunk) <= self._max_event and _is_one_event(chunk):
                    return [Event(bytes(chunk) if isinstance(chunk, memoryview) else chunk, True)]
                if LARGE_CHUNK <= len(chunk) <= self._max_event and _ends_within_first_event(chunk):
                    return self._keep_large(chunk)
            elif self._is_within_event(chunk):
                return self._keep_large(chunk)
            elif self._large_chunks and self._has_room_for(chunk) and _only_ends_event(chunk):
                return [Event(self._take_all(chunk), True)]
        if self._large_chunks:
            self._buffer += b"".join(self._large_chunks)
            self._large_chunks.clear()
            self._large_size = 0
        self._buffer += chunk
        events = []
        while (end := self._find_event_end()) > 0:
            is_oversized = self._is_oversized or end > self._max_event
            events.append(Event(self._take(end), not is_oversized, is_last=is_oversized))
            self._searched = 0
            self._is_oversized = False
        if len(self._buffer) > self._max_event:
            # The last bytes stay, as they may be the first half of a blank line.
            events.append(Event(self._take(len(self._buffer) - 3), False))
            self._searched = 0
            self._is_oversized = True
        return events

    @property
    def has_partial_event(self) -> bool:
        """True if part of an event is buffered."""
        return bool(self._buffer or self._large_chunks)

    def flush(self) -> bytes | bytearray:
        """Return the rest at the end of the stream: an event without a blank line, which clients must not dispatch."""
        return self._take_all(b"")

    def _keep_large(self, chunk: Chunk) -> list[Event]:
        self._large_chunks.append(chunk)
        self._large_size += len(chunk)
        return []

    def _is_within_event(self, chunk: Chunk) -> bool:
        """Return True if a large chunk contains no line end; after a lone `\\r`, any byte can end an event."""
        if len(chunk) < LARGE_CHUNK or not self._has_room_for(chunk) or self._buffer.endswith(b"\r"):
            return False
        source, start, end = underlying_buffer(chunk)
        return source.find(b"\n", start, end) < 0 and source.find(b"\r", start, end) < 0

    def _has_room_for(self, chunk: Chunk) -> bool:
        return len(self._buffer) + self._large_size + len(chunk) <= self._max_event

    def _take_all(self, last: Chunk) -> bytes | bytearray:
        taken = join_chunks([chunk for chunk in (self._buffer, *self._large_chunks, last) if chunk])
        self._buffer = bytearray()
        self._large_chunks.clear()
        self._large_size = 0
        self._searched = 0
        return taken

    def _take(self, end: int) -> bytes:
        with memoryview(self._buffer) as buffer:
            taken = bytes(buffer[:end])
        del self._buffer[:end]
        return taken

    def _find_event_end(self) -> int:
        """Return the end of the first event in the buffer, or 0 if it is not complete."""
        buffer = self._buffer
        position = self._searched
        lf = cr = -1
        while True:
            # Each is searched again only once it was passed, which keeps the search linear.
            lf = buffer.find(b"\n", position) % (len(buffer) + 1) if lf < position else lf
            cr = buffer.find(b"\r", position) % (len(buffer) + 1) if cr < position else cr
            line_end = min(lf, cr)
            if line_end >= len(buffer):
                self._searched = len(buffer)
                return 0
            after = _after_line_end(buffer, line_end)
            blank = after if after == 0 else _after_line_end(buffer, after)
            if after == 0 or blank == 0:
                self._searched = line_end
                return 0
            if blank > 0:
                return blank
            position = after


def has_more_line_ends_than(chunk: Chunk, number: int) -> bool:
    """Return True if a chunk has more than `number` line feeds, or more than `number` carriage returns.

    `find` for each is faster than `count` for a chunk with few.
    """
    source, start, end = underlying_buffer(chunk)
    for line_end in (b"\n", b"\r"):
        position, left = start - 1, number
        while left >= 0 and (position := source.find(line_end, position + 1, end)) >= 0:
            left -= 1
        if left < 0:
            return True
    return False


def _is_one_event(chunk: Chunk) -> bool:
    """Return True if a chunk is exactly one event: its first blank line is its end."""
    if chunk[-1:] != b"\n":
        return False
    source, first, last = underlying_buffer(chunk)
    for start, end in line_bounds(source, first, last):
        if start == end and start > first:
            return end + (2 if source.startswith(b"\r\n", end, last) else 1) == last
    return False


def _ends_within_first_event(chunk: Chunk) -> bool:
    """Return True if a chunk contains no blank line and does not end with a line end."""
    if bytes(chunk[-1:]) in (b"\r", b"\n"):
        return False
    return all(start < end for start, end in line_bounds(*underlying_buffer(chunk)))


def _only_ends_event(chunk: Chunk) -> bool:
    """Return True if the only line ends of a chunk are the two at its end."""
    source, start, end = underlying_buffer(chunk)
    if chunk[-4:] == b"\r\n\r\n":
        return source.find(b"\r", start, end) == end - 4 and source.find(b"\n", start, end) == end - 3
    is_lf = chunk[-2:] == b"\n\n" and source.find(b"\n", start, end) == end - 2
    return is_lf and source.find(b"\r", start, end) < 0


def _after_line_end(buffer: bytearray, index: int) -> int:
    """Return the index after the line end at `index`; 0 if more bytes are needed to tell, -1 if there is none."""
    if index >= len(buffer):
        return 0
    if buffer[index] == 0x0A:
        return index + 1
    if buffer[index] != 0x0D:
        return -1
    if index + 1 >= len(buffer):
        return 0
    return index + 2 if buffer[index + 1] == 0x0A else index + 1
