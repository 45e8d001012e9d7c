"""The fields of one server-sent event, as `sse_splitter` cuts it out of a stream (HTML standard, section 9.2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.protocol.buffers import Chunk

LARGE_CHUNK = 4096
"""Bytes from which on data is returned as a view instead of a copy."""
_BOM = b"\xef\xbb\xbf"
"""May precede the first event (HTML standard, section 9.2.5), and is not part of its fields."""
_USUAL_STARTS = (b"event: message\r\ndata: ", b"event: message\ndata: ", b"data: ")
_FIELD_WINDOW = 1024
"""Bytes at each end of a large event in which fields other than `data` are searched."""


def event_data(event: bytes | bytearray) -> Chunk:
    """Return the data of an event: its `data` fields joined with line feeds; empty if it has none.

    Large data is a view of the event.
    """
    view = memoryview(event)
    values: list[Chunk] = []
    for start, end in line_bounds(event, 0, len(event)):
        if event.startswith(b"data:", start, end):
            start += 6 if event.startswith(b" ", start + 5, end) else 5
            values.append(view[start:end] if end - start > LARGE_CHUNK else bytes(view[start:end]))
        elif event[start : min(end, start + 5)] == b"data" and end == start + 4:
            values.append(b"")
    return values[0] if len(values) == 1 else b"\n".join(values)


def event_type(event: bytes | bytearray) -> bytes:
    """Return the type of an event; empty if it names none, which means `message`."""
    return next((value for name, value in _short_fields(event) if name == b"event"), b"")


def has_event_id(event: bytes | bytearray) -> bool:
    """Return True if the event has an id, after which a client can resume the stream."""
    ends = _ends_of(event)
    if not (ends.startswith(b"id") or b"\nid" in ends or b"\rid" in ends):
        return False
    return any(name == b"id" for name, _ in _short_fields(event))


def replace_event_data(event: bytes | bytearray, data: Chunk) -> bytes:
    """Return the event with other data, which must not contain a line end; the other fields are kept.

    With empty data it gets no `data` field, and clients do not dispatch it.
    """
    return b"\n".join([*_lines_without(event, b"data"), *([b"data: " + data] if data else []), b"", b""])


def remove_event_id(event: bytes | bytearray) -> bytes:
    """Return the event without its id, so that a client cannot resume the stream after it."""
    return b"\n".join([*_lines_without(event, b"id"), b"", b""])


def single_event_data(source: bytes | bytearray, first: int, last: int) -> Chunk | None:
    """Return the data of a stream that is one event of the usual form, with one `data` line; `None` for any other.

    The stream is `source[first:last]`. Large data is a view of it.
    """
    start = _data_start(source, first)
    end = source.find(b"\n", start, last) if start > first else -1
    if end < 0:
        return None
    if (cr := source.find(b"\r", start, last)) >= 0:
        is_single, end = cr == end - 1 and last == end + 3 and source.endswith(b"\r\n\r\n", start, last), cr
    else:
        is_single = last == end + 2 and source.endswith(b"\n\n", start, last)
    if not is_single:
        return None
    return source[start:end] if end - start <= LARGE_CHUNK else memoryview(source)[start:end]


def is_partial_single_event(source: bytes | bytearray, first: int, last: int) -> bool:
    """Return True if `source[first:last]` ends within the `data` line of an event of the usual form, its first one."""
    start = _data_start(source, first)
    return first < start <= last and source.find(b"\n", start, last) < 0 and source.find(b"\r", start, last) < 0


def _data_start(source: bytes | bytearray, first: int) -> int:
    """Return where the data of an event of the usual form begins; `first` for any other stream."""
    return first + next((len(start) for start in _USUAL_STARTS if source.startswith(start, first)), 0)


def line_bounds(source: bytes | bytearray, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each line of `source[first:last]`, in linear time and without copies."""
    start, lf, cr = first, first - 1, first - 1
    if source.startswith(_BOM, start, last):
        start += len(_BOM)
    while start < last:
        lf = _find(source, b"\n", start, last) if lf < start else lf
        cr = _find(source, b"\r", start, last) if cr < start else cr
        end = min(lf, cr)
        yield start, end
        start = end + (2 if cr == end and lf == end + 1 else 1)


def _find(source: bytes | bytearray, line_end: bytes, start: int, last: int) -> int:
    position = source.find(line_end, start, last)
    return position if position >= 0 else last


def _lines_without(event: bytes | bytearray, name: bytes) -> list[bytes]:
    lines = bytes(event).removeprefix(_BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [line for line in lines if line and line.partition(b":")[0] != name]


def _short_fields(event: bytes | bytearray) -> list[tuple[bytes, bytes]]:
    """Return the fields of an event, except for those in the middle of large data."""
    lines = _ends_of(event).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [(name, value.removeprefix(b" ")) for name, _, value in (line.partition(b":") for line in lines)]


def _ends_of(event: bytes | bytearray) -> bytes:
    """Return the first and the last bytes of a large event, or all of a small one."""
    ends = event if len(event) <= 2 * _FIELD_WINDOW else event[:_FIELD_WINDOW] + event[-_FIELD_WINDOW:]
    return bytes(ends).removeprefix(_BOM)
