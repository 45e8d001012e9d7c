"""Encoders for the content codings whose libraries are installed."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable

Encode = Callable[[bytes], bytes]


def raw_deflate(data: bytes) -> bytes:
    """Encode as some servers do for `deflate`: without the header of zlib."""
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def _encoders() -> dict[str, Encode]:
    encoders: dict[str, Encode] = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
    for coding, names in (("br", ("brotli", "brotlicffi")), ("zstd", ("compression.zstd", "backports.zstd"))):
        for name in names:
            try:
                encoders[coding] = importlib.import_module(name).compress
                break
            except ImportError:
                continue
    return encoders


ENCODERS = _encoders()


class FlushingGzip:
    """Gzip that is flushed after each part, as servers compress event streams."""

    def __init__(self) -> None:
        self._encoder = zlib.compressobj(wbits=31)

    def part(self, data: bytes) -> bytes:
        return self._encoder.compress(data) + self._encoder.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._encoder.flush()
