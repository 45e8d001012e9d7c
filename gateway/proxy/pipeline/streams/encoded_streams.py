"""Responses with a content coding, although `identity` was asked for: decoded to be inspected, and sent as they came.

The rules:

- A client gets the bytes of the upstream. Only where they had to be replaced, it gets them decoded.
- The events of a stream are sent as they came unless some of them may have to be replaced: then all are decoded.
- Chunks of a stream are returned when all events that end in them are inspected; a body is held until it is inspected.
- A response that cannot be decoded is rejected for a key limited to tools or tables. For other keys it passes, and its
  calls are counted with unknown records.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.protocol.content_coding import ContentDecoder, UndecodableContent
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.pipeline.streams.event_stream import EventStream
from gateway.proxy.pipeline.streams.response_stream import MAX_INSPECTED, ResponseSource, ResponseStream, UsageServices
from gateway.proxy.upstream.errors import ResponseError, UpstreamError
from gateway.proxy.upstream.response_parser import ResponseParser

_PIECES = 16
"""Decoded pieces after which other tasks get their turn."""
_UNDECODABLE = "The upstream's compressed response cannot be decoded"


class UndecodableResponse(ResponseError):
    """The response cannot be decoded."""


class DecodedBody:
    """The decoded body of a response; implements `ResponseSource`."""

    def __init__(self, source: ResponseSource, coding: str) -> None:
        """Raises `UndecodableResponse` for an unknown coding."""
        self._source = source
        self._pieces = 0
        self._raw: list[Chunk] = []
        try:
            self._decoder = ContentDecoder(coding)
        except UndecodableContent as error:
            raise UndecodableResponse(f"{_UNDECODABLE}: {error}") from None

    @property
    def response(self) -> ResponseParser:
        """The response, as far as it has arrived."""
        return self._source.response

    @property
    def at_eof(self) -> bool:
        """True if the whole body has been received, decoded and read."""
        return self._source.at_eof and self._decoder.is_complete

    def buffer_whole(self) -> None:
        """Do nothing, as the body is decoded piece by piece."""

    def read_nowait(self) -> Chunk:
        """Return nothing, as `read` lets other tasks work between the pieces."""
        return b""

    async def read(self) -> Chunk:
        """Return the next decoded bytes, empty at the end. Raises `UpstreamError`."""
        while True:
            if self._pieces >= _PIECES:
                self._pieces = 0
                await asyncio.sleep(0)
            if piece := self._next_piece():
                self._pieces += 1
                return piece
            chunk = b"" if self._source.at_eof else await self._source.read()
            if not chunk:
                if not self._decoder.is_complete:
                    raise UndecodableResponse(f"{_UNDECODABLE}: the content is incomplete")
                return b""
            self._raw.append(chunk)
            self._decoder.feed(chunk)

    def take_raw(self) -> Chunk:
        """Return the bytes that were read from the source since the last call."""
        raw, self._raw = join_chunks(self._raw), []
        return raw

    def _next_piece(self) -> bytes:
        try:
            return self._decoder.next_piece()
        except UndecodableContent as error:
            raise UndecodableResponse(f"{_UNDECODABLE}: {error}") from None


class UninspectedStream(ResponseStream):
    """An encoded response that needs no inspection, or that nobody can decode."""

    def _has_buffered(self) -> bool:
        return bool(self._withheld)

    async def _next(self) -> Chunk:
        return await self._next_uninspected()


class _InspectedStream(UninspectedStream):
    """The base of the streams that inspect the decoded body until there is no need to."""

    def __init__(self, services: UsageServices, body: DecodedBody, source: ResponseSource, exchange: Exchange) -> None:
        super().__init__(services, source, exchange)
        self._body = body
        self._is_inspected = True

    def _has_buffered(self) -> bool:
        return self._is_inspected or super()._has_buffered()

    async def _next(self) -> Chunk:
        if self._is_inspected:
            try:
                chunk = await self._next_inspected()
            except UndecodableResponse:
                if self._exchange.is_restricted:
                    raise
                chunk = self._stop_inspection()
            if self._is_inspected:
                return chunk
        return await self._next_uninspected()

    @abstractmethod
    async def _next_inspected(self) -> Chunk:
        """Return the next raw bytes, empty at the end or after `_stop_inspection`."""

    def _stop_inspection(self) -> Chunk:
        """Pass everything on that follows; return nothing."""
        self._is_inspected = False
        self._withheld = self._body.take_raw()
        self._size += len(self._withheld)
        return b""


class EncodedEventStream(_InspectedStream):
    """An encoded response of server-sent events, none of which has to be replaced."""

    def __init__(self, services: UsageServices, body: DecodedBody, source: ResponseSource, exchange: Exchange) -> None:
        super().__init__(services, body, source, exchange)
        self._events = _UnchangedEvents(services, body, exchange)

    async def _next_inspected(self) -> Chunk:
        while self._exchange.needs_inspection or self._events.has_uninspected:
            await self._events.next_chunk()
            if self._events.is_ended:
                return self._last(self._body.take_raw())
            if not self._events.has_uninspected and (raw := self._body.take_raw()):
                self._size += len(raw)
                return raw
        return self._stop_inspection()


class _UnchangedEvents(EventStream):
    """Events that cannot lose their id."""

    async def _register_resumable(self, event: bytes | bytearray) -> bytes | bytearray:
        await self._correlation.register(self._exchange)
        return event


class EncodedBodyStream(_InspectedStream):
    """An encoded response that is one body, as JSON."""

    def __init__(self, services: UsageServices, body: DecodedBody, source: ResponseSource, exchange: Exchange) -> None:
        super().__init__(services, body, source, exchange)
        self._pieces: list[Chunk] = []
        self._decoded = 0

    async def _next_inspected(self) -> Chunk:
        try:
            while piece := await self._body.read():
                self._pieces.append(piece)
                self._decoded += len(piece)
                if self._decoded > MAX_INSPECTED:
                    self._check_size()
                    return self._stop_inspection()
        except UndecodableResponse:
            raise
        except UpstreamError:
            await self._end()
            raise
        text = join_chunks(self._pieces)
        self._exchange.decode_ahead(text)
        await asyncio.sleep(0)
        inspection = await self._inspect(text)
        await self._end(len(text) if inspection.is_unreadable else 0)
        if inspection.output is text or not self.may_redact:
            return self._last(self._body.take_raw())
        self.is_decoded = True
        return self._last(inspection.output)
