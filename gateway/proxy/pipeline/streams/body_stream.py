"""A response that is one body, as JSON: returned as it arrives, except for the last chunk."""

from __future__ import annotations

import asyncio

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.pipeline.streams.response_stream import MAX_INSPECTED, ResponseSource, ResponseStream, UsageServices
from gateway.proxy.upstream.errors import UpstreamError

_LARGE = 1024 * 1024
"""Bytes of a response whose inspection takes milliseconds."""


class BodyStream(ResponseStream):
    """A response that is one body, as JSON."""

    def __init__(self, services: UsageServices, source: ResponseSource, exchange: Exchange) -> None:
        super().__init__(services, source, exchange)
        self._chunks: list[Chunk] = []
        """All chunks so far, to be inspected together. The last one is withheld."""
        self._is_too_large = False

    def _has_buffered(self) -> bool:
        return bool(self._withheld or self._chunks)

    async def _next(self) -> Chunk:
        while not self._is_too_large:
            try:
                chunk = self._source.read_nowait() or await self._source.read()
            except UpstreamError:
                await self._end()
                raise
            if not self._exchange.needs_inspection:
                return chunk or self._last(chunk)
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)
            if self._size > MAX_INSPECTED:
                self._check_size()
                self._is_too_large = True
                self._chunks.clear()
            elif not chunk or self._source.at_eof:
                return await self._inspect_whole(chunk)
            if not self.may_redact:
                released, self._withheld = self._withheld, chunk
                if released:
                    return released
        return await self._next_uninspected()

    async def _inspect_whole(self, last: Chunk) -> Chunk:
        body = join_chunks(self._chunks)
        if len(body) > _LARGE:
            # Decoding and counting each take a turn of the event loop. A cancellation in between loses nothing.
            self._exchange.decode_ahead(body)
            await asyncio.sleep(0)
        self._chunks.clear()
        inspection = await self._inspect(body)
        passed: Chunk = inspection.output
        await self._end(len(body) if inspection.is_unreadable else 0)
        if not self.may_redact:
            returned = len(body) - len(self._withheld) - len(last)
            passed = memoryview(body)[returned:] if returned else body
        return self._last(passed)
