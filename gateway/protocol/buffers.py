"""Chunks of bytes that are passed on with as few copies as possible."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

Chunk = bytes | bytearray | memoryview
"""Bytes that nobody may change. A memoryview is part of a buffer whose other parts may be in other chunks."""

BufferSlice = tuple[bytes | bytearray, int, int]
"""(buffer, start, end): `buffer[start:end]`, without a copy."""


def join_chunks(chunks: Sequence[Chunk]) -> bytes | bytearray:
    """Return the chunks as one. Consecutive views of a whole bytearray become that bytearray, without a copy."""
    first = chunks[0] if chunks else b""
    if len(chunks) <= 1:
        return bytes(first) if isinstance(first, memoryview) else first
    if isinstance(first, memoryview) and isinstance(buffer := first.obj, bytearray):
        views = [chunk for chunk in chunks if isinstance(chunk, memoryview) and chunk.obj is buffer]
        if len(views) == len(chunks) and sum(map(len, views)) == len(buffer):
            return buffer
    return b"".join(chunks)


def slice_view(buffer: bytes | bytearray, start: int, end: int) -> Chunk:
    """Return `buffer[start:end]` as a view, or the buffer itself if that is all of it."""
    return buffer if end - start == len(buffer) else memoryview(buffer)[start:end]


def underlying_buffer(chunk: Chunk) -> BufferSlice:
    """Return (buffer, start, end) of a chunk, because `find` needs a buffer; a contiguous view is not copied for it."""
    if not isinstance(chunk, memoryview):
        return chunk, 0, len(chunk)
    buffer = chunk.obj
    if not isinstance(buffer, bytearray) or not chunk.contiguous or not chunk:
        return bytes(chunk), 0, len(chunk)
    start = _address(chunk) - _address(buffer)
    return buffer, start, start + len(chunk)


def _address(writable: bytearray | memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(writable))
