"""Splitting a stream of server-sent events into whole events, byte for byte.

What this module guarantees (HTML standard, section 9.2.6):

- The chunks that come out, joined, are the chunks that went in, joined: nothing is added, dropped or rewritten.
- Each event comes out as soon as its blank line is complete, for line ends `\\n`, `\\r\\n` and `\\r`, wherever the
  stream was cut. After a lone `\\r` the next byte decides, so such an event waits for it.
- No more than one event is held, and never more than `max_event` bytes of it: a longer one passes in pieces, unread.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.protocol.buffers import Chunk, join_chunks, underlying_buffer

_LARGE = 4096
"""Bytes from which on a chunk is not worth to be copied twice."""
_BOM = b"\xef\xbb\xbf"
"""May stand before the first event (HTML standard, section 9.2.5), and belongs to none of its fields."""
_STARTS = (b"event: message\r\ndata: ", b"event: message\ndata: ", b"data: ")
_NEAR_AN_END = 1024
"""Bytes of a large event in which fields other than `data` are looked for, from both of its ends."""


class Event(msgspec.Struct, frozen=True):
    """A piece of the stream that ends with an event's blank line, or a piece of an event too large to be held."""

    raw: bytes | bytearray
    is_complete: bool


class EventSplitter:
    """Feeds on chunks of a stream and gives back events."""

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._held = bytearray()
        self._large: list[Chunk] = []
        """Large chunks of an event, after what is held; they are joined once, when the event ends. None but the first
        has a line end, and none ends with one."""
        self._large_size = 0
        self._searched = 0
        self._is_oversized = False

    def feed(self, chunk: Chunk) -> list[Event]:
        """Take the next chunk and return the events that it completes."""
        if not self._is_oversized:
            if not self.has_partial_event:
                if _is_single(chunk):
                    return [Event(bytes(chunk) if isinstance(chunk, memoryview) else chunk, True)]
                if _LARGE <= len(chunk) <= self._max_event and _is_beginning(chunk):
                    return self._put_by(chunk)
            elif self._is_middle(chunk):
                return self._put_by(chunk)
            elif self._large and _is_end(chunk):
                return [Event(self._take_all(chunk), True)]
        if self._large:
            self._held += b"".join(self._large)
            self._large.clear()
            self._large_size = 0
        self._held += chunk
        events = []
        while (end := self._end_of_event()) > 0:
            events.append(Event(self._take(end), not self._is_oversized))
            self._searched = 0
            self._is_oversized = False
        if len(self._held) > self._max_event:
            # The last bytes stay: they may be the first half of a blank line.
            events.append(Event(self._take(len(self._held) - 3), False))
            self._searched = 0
            self._is_oversized = True
        return events

    @property
    def has_partial_event(self) -> bool:
        """Whether a part of an event is held."""
        return bool(self._held or self._large)

    def flush(self) -> bytes | bytearray:
        """What is left when the stream ends: an event without its blank line, which no client should dispatch."""
        return self._take_all(b"")

    def _put_by(self, chunk: Chunk) -> list[Event]:
        self._large.append(chunk)
        self._large_size += len(chunk)
        return []

    def _is_middle(self, chunk: Chunk) -> bool:
        """Whether a chunk cannot end an event; behind a lone `\r` any byte can."""
        size = len(self._held) + self._large_size + len(chunk)
        if len(chunk) < _LARGE or size > self._max_event or self._held.endswith(b"\r"):
            return False
        source, start, end = underlying_buffer(chunk)
        return source.find(b"\n", start, end) < 0 and source.find(b"\r", start, end) < 0

    def _take_all(self, last: Chunk) -> bytes | bytearray:
        taken = join_chunks([piece for piece in (self._held, *self._large, last) if piece])
        self._held = bytearray()
        self._large.clear()
        self._large_size = 0
        self._searched = 0
        return taken

    def _take(self, end: int) -> bytes:
        with memoryview(self._held) as held:
            taken = bytes(held[:end])
        del self._held[:end]
        return taken

    def _end_of_event(self) -> int:
        """Where the first event in the held bytes ends; 0 where it is not complete."""
        held = self._held
        position = self._searched
        lf = cr = -1
        while True:
            # Each is looked for again only once it was passed, so that the search stays linear.
            lf = held.find(b"\n", position) % (len(held) + 1) if lf < position else lf
            cr = held.find(b"\r", position) % (len(held) + 1) if cr < position else cr
            line_end = min(lf, cr)
            if line_end >= len(held):
                self._searched = len(held)
                return 0
            after = _after_line_end(held, line_end)
            blank = after if after == 0 else _after_line_end(held, after)
            if after == 0 or blank == 0:
                self._searched = line_end
                return 0
            if blank > 0:
                return blank
            position = after


def event_data(event: bytes | bytearray) -> Chunk:
    """The data of one whole event: its `data` fields joined with line feeds; empty where there is none.

    Where it is large, it is a view of the event.
    """
    whole = memoryview(event)
    values: list[Chunk] = []
    for start, end in _lines_of(event, 0, len(event)):
        if event.startswith(b"data:", start, end):
            start += 6 if event.startswith(b" ", start + 5, end) else 5
            values.append(whole[start:end] if end - start > _LARGE else bytes(whole[start:end]))
        elif event[start : min(end, start + 5)] == b"data" and end == start + 4:
            values.append(b"")
    return values[0] if len(values) == 1 else b"\n".join(values)


def single_event_data(source: bytes | bytearray, first: int, last: int) -> Chunk | None:
    """The data of a stream that is one message on one line, and nothing else; `None` for any other.

    The stream is a part of `source`. Where its data are large, they are a view of it.
    """
    start = _start_of_data(source, first)
    end = source.find(b"\n", start, last) if start > first else -1
    if end < 0:
        return None
    if (cr := source.find(b"\r", start, last)) >= 0:
        is_only, end = cr == end - 1 and last == end + 3 and source.endswith(b"\r\n\r\n", start, last), cr
    else:
        is_only = last == end + 2 and source.endswith(b"\n\n", start, last)
    if not is_only:
        return None
    return source[start:end] if end - start <= _LARGE else memoryview(source)[start:end]


def is_inside_single_event(source: bytes | bytearray, first: int, last: int) -> bool:
    """Whether a part holds no more than the beginning of such a message, without the end of its line."""
    start = _start_of_data(source, first)
    return first < start <= last and source.find(b"\n", start, last) < 0 and source.find(b"\r", start, last) < 0


def _start_of_data(source: bytes | bytearray, first: int) -> int:
    """Where the data of a usual message begins; `first` for any other stream."""
    return first + next((len(start) for start in _STARTS if source.startswith(start, first)), 0)


def has_event_id(event: bytes | bytearray) -> bool:
    """Whether the event has an id, after which a client can take the stream up again."""
    near = _near_an_end(event)
    if not (near.startswith(b"id") or b"\nid" in near or b"\rid" in near):
        return False
    return any(name == b"id" for name, _ in _short_fields(event))


def event_type(event: bytes | bytearray) -> bytes:
    """The type of one whole event; empty where it names none, which means `message`."""
    return next((value for name, value in _short_fields(event) if name == b"event"), b"")


def replace_event_data(event: bytes | bytearray, data: Chunk) -> bytes:
    """The same event with other data (which holds no line end); the other fields stay as they are.

    With empty data it has none, so that no client dispatches it.
    """
    return b"\n".join([*_lines_without(event, b"data"), *([b"data: " + data] if data else []), b"", b""])


def remove_event_id(event: bytes | bytearray) -> bytes:
    """The same event without its id, so that the stream cannot be taken up again after it."""
    return b"\n".join([*_lines_without(event, b"id"), b"", b""])


def _lines_of(source: bytes | bytearray, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends in a part; what is large is looked at once for each kind of line end, and never
    copied."""
    start, lf, cr = first, first - 1, first - 1
    if source.startswith(_BOM, start, last):
        start += len(_BOM)
    while start < last:
        lf = _next(source, b"\n", start, last) if lf < start else lf
        cr = _next(source, b"\r", start, last) if cr < start else cr
        end = min(lf, cr)
        yield start, end
        start = end + (2 if cr == end and lf == end + 1 else 1)


def _next(source: bytes | bytearray, line_end: bytes, start: int, last: int) -> int:
    at = source.find(line_end, start, last)
    return at if at >= 0 else last


def _lines_without(event: bytes | bytearray, name: bytes) -> list[bytes]:
    lines = bytes(event).removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [line for line in lines if line and line.partition(b":")[0] != name]


def _short_fields(event: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    """The fields of an event but for those that are hidden between large data."""
    lines = _near_an_end(event).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [(name, value.removeprefix(b" ")) for name, _, value in (line.partition(b":") for line in lines)]


def _near_an_end(event: bytes | bytearray) -> bytes:
    """The first and the last bytes of an event; where it is cut, half a line is left of its data."""
    near = event if len(event) <= 2 * _NEAR_AN_END else event[:_NEAR_AN_END] + event[-_NEAR_AN_END:]
    return bytes(near).removeprefix(_BOM)


def _is_beginning(chunk: Chunk) -> bool:
    """Whether a chunk begins an event, and ends within a line of it."""
    return bytes(chunk[-1:]) not in (b"\r", b"\n") and all(
        start < end for start, end in _lines_of(*underlying_buffer(chunk))
    )


def _is_single(chunk: Chunk) -> bool:
    """Whether a chunk is one event: the first line end that follows another ends it."""
    if chunk[-1:] != b"\n":
        return False
    source, first, last = underlying_buffer(chunk)
    for start, end in _lines_of(source, first, last):
        if start == end and start > first:
            return end + (2 if source.startswith(b"\r\n", end, last) else 1) == last
    return False


def _is_end(chunk: Chunk) -> bool:
    """Whether a chunk holds no line end but the two that end an event."""
    source, start, end = underlying_buffer(chunk)
    if chunk[-4:] == b"\r\n\r\n":
        return source.find(b"\r", start, end) == end - 4 and source.find(b"\n", start, end) == end - 3
    is_lf = chunk[-2:] == b"\n\n" and source.find(b"\n", start, end) == end - 2
    return is_lf and source.find(b"\r", start, end) < 0


def has_more_line_ends_than(chunk: Chunk, number: int) -> bool:
    """Whether a chunk has more than so many of one kind; to look for each is faster than to count them all."""
    source, start, end = underlying_buffer(chunk)
    for line_end in (b"\n", b"\r"):
        at, left = start - 1, number
        while left >= 0 and (at := source.find(line_end, at + 1, end)) >= 0:
            left -= 1
        if left < 0:
            return True
    return False


def _after_line_end(held: bytearray, index: int) -> int:
    """The index after the line end at `index`; 0 where more bytes are needed to tell, -1 where there is none."""
    if index >= len(held):
        return 0
    if held[index] == 0x0A:
        return index + 1
    if held[index] != 0x0D:
        return -1
    if index + 1 >= len(held):
        return 0
    return index + 2 if held[index + 1] == 0x0A else index + 1
