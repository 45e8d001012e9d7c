"""The base of the streams: records usage, registers calls without a response, and passes on what is not inspected."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol, cast

import msgspec

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.proxy.accounting.correlation import Correlation, RecordUsage
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.upstream.errors import ResponseError, UpstreamError
from gateway.proxy.upstream.response_parser import ResponseParser

MAX_INSPECTED = 32 * 1024 * 1024
"""Maximum bytes of a response that are buffered for inspection."""
FAILED_STATUS = 400
"""The lowest status after which no response to the calls will come on any stream."""
_ACCEPTED = 202
"""The status of a response whose result comes on another stream (HTTP+SSE transport)."""


class ResponseSource(Protocol):
    """Reads the body of one response: an `UpstreamConnection`, or the decoded body of one."""

    @property
    def response(self) -> ResponseParser:
        """The response, as far as it has arrived."""

    @property
    def at_eof(self) -> bool:
        """True if the whole body has been received and read."""

    def buffer_whole(self) -> None:
        """Let a large body be received to its end, because the caller needs all of it before it reads any."""

    def read_nowait(self) -> Chunk:
        """Return the unread bytes of the body; empty if there are none."""

    async def read(self) -> Chunk:
        """Return the next bytes of the body, empty at its end. Raises `UpstreamError` if the response ended early."""


class UsageServices(msgspec.Struct, frozen=True):
    """The services with which streams account for calls."""

    record: RecordUsage
    correlation: Correlation


class ResponseStream(ABC):
    """Returns the chunks of one response, in order."""

    def __init__(self, services: UsageServices, source: ResponseSource, exchange: Exchange) -> None:
        self._record = services.record
        self._correlation = services.correlation
        self._source = source
        self._exchange = exchange
        self._is_sql_parsed = False
        self._is_ended = False
        self._withheld: Chunk = b""
        """Bytes that were read, and are returned once the calls are counted."""
        self._size = 0
        """Bytes of a body, or of a part of it that is not inspected."""
        self.may_redact = exchange.may_redact
        """True if the bytes may differ from those of the upstream, also in number."""
        self.may_reject = False
        """True while a result beyond a limit rejects the request, as nothing was sent; otherwise it is replaced."""
        self.is_decoded = False
        """True if the chunks are decoded, although the response has a content coding."""
        if exchange.needs_inspection:
            source.buffer_whole()

    @property
    def is_between_events(self) -> bool:
        """True if a comment may follow what was returned so far: in an event stream, after a whole event."""
        return False

    @property
    def is_ended(self) -> bool:
        """True if the last chunk was returned and nothing is left to be done."""
        if self._is_ended or not self._source.at_eof or self._exchange.has_pending:
            return self._is_ended
        return not self._has_buffered()

    async def next_chunk(self) -> Chunk:
        """Return the next chunk, empty at the end. Raises `UpstreamError` if the response is incomplete."""
        if self._is_ended:
            return b""
        if not self._is_sql_parsed:
            # The upstream works in the meantime. Nothing was read yet that would be lost on cancellation.
            if not self._exchange.is_sql_parsed:
                await asyncio.to_thread(self._exchange.parse_sql)
            self._is_sql_parsed = True
        return await self._next()

    @property
    def has_passed_result(self) -> bool:
        """True if the client may have a part of a result that is not counted yet."""
        return self._size > 0 or self._exchange.unmatched_bytes > 0

    async def read_to_end(self) -> None:
        """Read the rest of the response for a client that has disconnected. Raises `UpstreamError`."""
        while self._exchange.has_pending_results and await self.next_chunk():
            pass

    @abstractmethod
    def _has_buffered(self) -> bool:
        """Return True if bytes were read that have not been returned."""

    @abstractmethod
    async def _next(self) -> Chunk:
        """Return the next chunk, empty at the end."""

    def _last(self, chunk: Chunk) -> Chunk:
        self._is_ended = True
        return chunk

    async def _inspect(self, text: Chunk) -> Inspection:
        """Inspect one JSON text and record its usage; its `output` is sent to the client instead."""
        data = cast(bytes, text)  # The inspection only reads it, so a view will do.
        inspection = self._exchange.inspect(data)
        if inspection.lookups or inspection.created_tasks:
            inspection = await self._correlation.resolve(self._exchange, data, inspection, self._record)
        elif inspection.events:
            await self._record(inspection)
        if inspection.limit_exceeded is not None and self.may_reject:
            raise RequestRejected(inspection.limit_exceeded)
        return inspection

    async def _end(self, unreadable_bytes: int = 0) -> None:
        """Account for the calls without a response here, at the end of the response.

        They are counted if something passed that may have been their response: `unreadable_bytes` are those of a body
        without any JSON-RPC message. Otherwise they are registered, as it may come on another stream, unless they have
        failed.
        """
        exchange, status = self._exchange, self._source.response.status
        if not exchange.has_pending:
            return
        if exchange.registered or status == _ACCEPTED or status >= FAILED_STATUS:
            unreadable_bytes = 0
        if size := exchange.unmatched_bytes or unreadable_bytes:
            await self._count_uninspected(size)
        elif status >= FAILED_STATUS:
            await self._correlation.withdraw(exchange)
        elif exchange.has_session or status == _ACCEPTED:
            await self._correlation.register(exchange)

    # Without inspection.

    def _check_size(self) -> None:
        """Raise `ResponseError` if the client may not get a response that is too large to be inspected."""
        if self.may_redact:
            raise ResponseError("The response is too large to be inspected for a restricted API key")

    async def _next_uninspected(self) -> Chunk:
        """Return the next chunk of a body that is not inspected; its last one only after the calls are counted."""
        while True:
            try:
                chunk: Chunk = b"" if self._source.at_eof else await self._source.read()
            except UpstreamError:
                await self._end()
                raise
            self._size += len(chunk)
            if not chunk or self._source.at_eof:
                await self._count_uninspected(self._size)
                return self._last(join_chunks((self._withheld, chunk)))
            released, self._withheld = self._withheld, chunk
            if released:
                return released

    async def _count_uninspected(self, size: int) -> None:
        """Count the pending calls, whose results were not inspected, with the bytes that passed."""
        is_error = self._source.response.status >= FAILED_STATUS
        inspection = self._exchange.count_uninspected(size, is_error=is_error)
        if inspection.events:
            await self._record(inspection)
        await self._correlation.withdraw(self._exchange)
