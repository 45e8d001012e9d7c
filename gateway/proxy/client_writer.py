"""Writing an answer's head byte for byte, and its trailers; aiohttp drops what is no UTF-8, and knows no trailers."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict


class ClientWriter(StreamWriter):
    """Text comes as UTF-8 with surrogates for bytes that are none, and leaves as the bytes that it was made of."""

    trailers = b""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Keep the head, to be sent with the first of the body. Raises `ValueError` for a line end within a field."""
        self._headers_buf = _lines([status_line, *(f"{name}: {value}" for name, value in headers.items())]) + b"\r\n"

    async def write_eof(self, chunk: bytes = b"") -> None:
        """End the answer, with its trailers where it goes in chunks."""
        if not self.trailers or not self.chunked or self._eof:
            await super().write_eof(chunk)
            return
        if chunk:
            await self.write(chunk)
        self.send_headers()
        self._write(b"0\r\n" + self.trailers + b"\r\n")
        self._eof = True
        await self.drain()


def set_trailers(request: web.BaseRequest, fields: Iterable[tuple[str, str]]) -> None:
    """Send these fields behind the body of the answer, if it goes in chunks."""
    writer = request.writer
    assert isinstance(writer, ClientWriter)
    writer.trailers = _lines([f"{name}: {value}" for name, value in fields])


def _lines(lines: list[str]) -> bytes:
    text = "\r\n".join([*lines, ""])
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise ValueError("a line end within a field of an answer")
    return text.encode("utf-8", "surrogateescape")
