"""Bytes on their way, which are copied as seldom as can be."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

Chunk = bytes | bytearray | memoryview
"""Bytes, never to be changed. A view is a part of a buffer whose other parts are in other pieces."""

BufferSlice = tuple[bytes | bytearray, int, int]
"""(buffer, start, end): `buffer[start:end]`, without a copy."""


def join_chunks(pieces: Sequence[Chunk]) -> bytes | bytearray:
    """All of it in one. The views of a whole buffer, in order, are joined already."""
    first = pieces[0] if pieces else b""
    if len(pieces) <= 1:
        return bytes(first) if isinstance(first, memoryview) else first
    if isinstance(first, memoryview) and isinstance(whole := first.obj, bytearray):
        parts = [piece for piece in pieces if isinstance(piece, memoryview) and piece.obj is whole]
        if len(parts) == len(pieces) and sum(map(len, parts)) == len(whole):
            return whole
    return b"".join(pieces)


def slice_view(source: bytes | bytearray, start: int, end: int) -> Chunk:
    """A part, as a view; the whole as it is."""
    return source if end - start == len(source) else memoryview(source)[start:end]


def underlying_buffer(piece: Chunk) -> tuple[bytes | bytearray, int, int]:
    """What can be searched, and where in it the piece begins and ends: to search, a view need not be copied."""
    if not isinstance(piece, memoryview):
        return piece, 0, len(piece)
    buffer = piece.obj
    if not isinstance(buffer, bytearray) or not piece.contiguous or not piece:
        return bytes(piece), 0, len(piece)
    start = _address(piece) - _address(buffer)
    return buffer, start, start + len(piece)


def _address(writable: bytearray | memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(writable))
