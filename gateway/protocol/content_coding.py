"""Decodes compressed content (RFC 9110, section 8.4.1), within bounds.

- gzip and deflate are always known; br and zstd are if a library for them is installed.
- Content is decoded in pieces of `PIECE` bytes, so that a caller can stop, or let others work in between.
- Content that grows more than `MAX_RATIO` times is not decoded: no text does, and a compression bomb would.
- Several gzip members or zstd frames are joined. Anything else after the end is an error, as decoders differ on it.

Does no I/O.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from gateway.protocol.buffers import Chunk

PIECE = 64 * 1024
"""Maximum bytes of one piece; brotli may exceed it by half."""
MAX_RATIO = 1000
"""Decoded bytes for each encoded byte, after the first `_MIN_BOUNDED`; gzip cannot exceed 1,032."""
_MIN_BOUNDED = 1024 * 1024
_MAX_MEMBERS = 100
"""Members or frames of one content, as each costs time even without data."""

_FIELD = b"content-encoding"
_NO_CODING = frozenset({"", "identity"})
_GZIP = 31
_ZLIB = 15
_RAW_DEFLATE = -15


class UndecodableContent(ValueError):
    """The content is damaged, out of bounds, or in an unknown coding."""


class _Decompressor(Protocol):
    """Decodes one member, in the interface of `zlib` and `zstd`."""

    @property
    def eof(self) -> bool:
        """True at the end of the member."""

    @property
    def unused_data(self) -> bytes:
        """The bytes after that end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most so many decoded bytes."""


class ContentDecoder:
    """Decodes one content: `feed` it, then call `next_piece` until there is none."""

    def __init__(self, coding: str) -> None:
        """`coding` is the result of `content_coding`. Raises `UndecodableContent` for an unknown one."""
        make = _MAKERS.get(coding)
        if make is None:
            raise UndecodableContent(f"the content coding {coding[:40]!r} is not known")
        self._make = make
        self._decompressor: _Decompressor | None = None
        self._input = b""
        self._has_more = False
        """True if the decompressor may hold output for which it needs no further input."""
        self._members = 0
        self._fed = 0
        self._decoded = 0

    def feed(self, data: Chunk) -> None:
        """Add encoded bytes."""
        self._input = self._input + bytes(data) if self._input else bytes(data)
        self._fed += len(data)

    def next_piece(self) -> bytes:
        """Return the next decoded bytes; empty if more must be fed first. Raises `UndecodableContent`."""
        while self._input or self._has_more:
            piece = self._decode()
            self._decoded += len(piece)
            if self._decoded > max(_MIN_BOUNDED, MAX_RATIO * self._fed):
                raise UndecodableContent("the content grows too much")
            if piece:
                return piece
        return b""

    @property
    def is_complete(self) -> bool:
        """True if what was fed is a whole content, or nothing."""
        return not self._input and not self._has_more and (self._decompressor is None or self._decompressor.eof)

    def _decode(self) -> bytes:
        decompressor = self._decompressor
        if decompressor is None or (decompressor.eof and self._input):
            self._members += 1
            if self._members > _MAX_MEMBERS:
                raise UndecodableContent("the content has too many parts")
            decompressor = self._decompressor = self._make(self._input)
        data, self._input = self._input, b""
        try:
            piece = decompressor.decompress(data, PIECE)
        except Exception as error:
            # Each library raises errors of its own types.
            raise UndecodableContent("the content is damaged") from error
        if decompressor.eof:
            self._input, self._has_more = decompressor.unused_data, False
        else:
            # `zlib` keeps what it has not read in an attribute, the others keep it themselves.
            self._input = getattr(decompressor, "unconsumed_tail", b"")
            self._has_more = len(piece) >= PIECE
        return piece


class _Brotli:
    """Brotli in the interface of `zlib`."""

    unused_data = b""

    def __init__(self, module: Any) -> None:
        self._decompressor = module.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return bytes(self._decompressor.process(data, output_buffer_limit=max_length))


def content_coding(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the coding that the `Content-Encoding` fields of a head state, in lower case; empty if there is none.

    Several codings are returned as one, which is not known.
    """
    codings = []
    for name, value in headers:
        if len(name) == len(_FIELD) and name.lower() == _FIELD:
            codings += [coding.strip().lower() for coding in value.decode("latin-1").split(",")]
    return ", ".join(coding for coding in codings if coding not in _NO_CODING)


def _deflate(first: bytes) -> _Decompressor:
    """Return the decompressor for content that begins so: zlib as the standard says, or raw, as some servers send."""
    is_zlib = first[0] & 0x0F == 8 and (len(first) < 2 or int.from_bytes(first[:2]) % 31 == 0)
    return zlib.decompressobj(_ZLIB if is_zlib else _RAW_DEFLATE)


def _imported(*names: str) -> Any:
    """Return the first of these modules that is installed, or `None`."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _makers() -> dict[str, Callable[[bytes], _Decompressor]]:
    makers: dict[str, Callable[[bytes], _Decompressor]] = {
        **dict.fromkeys(("gzip", "x-gzip"), lambda first: zlib.decompressobj(_GZIP)),
        "deflate": _deflate,
    }
    if (zstd := _imported("compression.zstd", "backports.zstd")) is not None:
        makers["zstd"] = lambda first: zstd.ZstdDecompressor()
    brotli = _imported("brotli", "brotlicffi")
    # Versions before 1.2 cannot bound their output.
    if brotli is not None and hasattr(brotli.Decompressor, "can_accept_more_data"):
        makers["br"] = lambda first: _Brotli(brotli)
    return makers


_MAKERS = _makers()
