"""The response on its way from the upstream to the client, inspected and metered.

The rules:

- The bytes are those of the upstream, complete and in order, except for messages that were redacted for a restricted
  key.
- The chunk that completes the response to a tool call is returned only after the call's usage event is durable. Every
  response that a client has received completely has been counted.
- An event of an event stream is returned when it is complete; of a JSON response, everything but the last chunk is
  returned as it arrives.
- A response larger than `MAX_INSPECTED` is passed on without inspection and metered as unknown; a restricted key does
  not get it.
- Before a stream ends without the response to a request, or its client gets an event id, the request is registered in
  the correlation store, so that its response is recognised on another stream.
- Reading can be continued after its task was cancelled, so that the call of a disconnected client is still metered.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.protocol.sse_event import event_data, event_type, has_event_id, remove_event_id, replace_event_data
from gateway.protocol.sse_splitter import Event, EventSplitter, has_more_line_ends_than
from gateway.proxy.accounting.correlation import Correlation, CorrelationUnavailable, RecordUsage
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import ResponseError, UpstreamError

log = logging.getLogger(__name__)

MAX_INSPECTED = 32 * 1024 * 1024
"""Maximum bytes of a response that are buffered for inspection."""
_LARGE = 1024 * 1024
"""Bytes of a response whose inspection takes milliseconds."""
_MANY_LINES = 500
"""Line ends of one type in a chunk above which it is split into portions of `_PORTION` bytes, so that other tasks get
their turn in between."""
_PORTION = 2048
_FAILED_STATUS = 400
"""The lowest status after which no response to the calls will come on any stream."""

RewriteEndpoint = Callable[[bytes], Awaitable[bytes]]
"""Replaces the address that the upstream announces for messages (HTTP+SSE transport, 2024-11-05) by the gateway's."""


class ResponseStreams:
    """Opens response streams."""

    def __init__(self, record: RecordUsage, correlation: Correlation) -> None:
        self.record = record
        self.correlation = correlation

    def open(
        self, connection: UpstreamConnection, exchange: Exchange, rewrite_endpoint: RewriteEndpoint | None = None
    ) -> ResponseStream:
        """Return the stream of the response whose head has arrived on the connection."""
        if connection.response.is_event_stream:
            return EventStream(self, connection, exchange, rewrite_endpoint)
        return BodyStream(self, connection, exchange)


class ResponseStream(ABC):
    """Returns the chunks of one response, in order."""

    def __init__(self, streams: ResponseStreams, connection: UpstreamConnection, exchange: Exchange) -> None:
        self._record = streams.record
        self._correlation = streams.correlation
        self._connection = connection
        self._exchange = exchange
        self._is_sql_parsed = False
        self._is_ended = False
        self.may_redact = exchange.may_redact
        """True if the bytes may differ from those of the upstream, also in number."""
        self.may_reject = False
        """True while a result beyond a limit rejects the request, as nothing was sent; otherwise it is replaced."""
        if exchange.needs_inspection:
            connection.buffer_whole()

    @property
    def is_ended(self) -> bool:
        """True if the last chunk was returned and nothing is left to be done."""
        if self._is_ended or not self._connection.at_eof or self._exchange.has_pending:
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

    async def _register_unanswered(self) -> None:
        """Register the calls that have no response here, as it may come on another stream; not if they have failed."""
        if not self._exchange.has_pending:
            return
        if self._connection.response.status >= _FAILED_STATUS:
            await self._correlation.withdraw(self._exchange)
        elif self._exchange.has_session:
            await self._correlation.register(self._exchange)

    async def _pass_uninspected(self) -> None:
        """Pass on the rest of a response that is too large without inspection."""
        if self.may_redact:
            raise ResponseError("The response is too large to be inspected for a restricted API key")
        inspection = self._exchange.count_uninspected()
        if inspection.events:
            await self._record(inspection)
        await self._correlation.withdraw(self._exchange)


class EventStream(ResponseStream):
    """A response of server-sent events."""

    def __init__(
        self,
        streams: ResponseStreams,
        connection: UpstreamConnection,
        exchange: Exchange,
        rewrite_endpoint: RewriteEndpoint | None,
    ) -> None:
        super().__init__(streams, connection, exchange)
        self._rewrite_endpoint = rewrite_endpoint
        self._splitter = EventSplitter(MAX_INSPECTED)
        self._unsplit: deque[Chunk] = deque()
        self._events: deque[Event] = deque()

    def _has_buffered(self) -> bool:
        return bool(self._unsplit or self._events or self._splitter.has_partial_event)

    async def _next(self) -> Chunk:
        chunks: list[Chunk] = []
        while not chunks:
            if not self._events and not await self._split():
                return self._last(b"")
            # Inspected events are returned before the next inspection begins.
            while self._events and not (chunks and self._exchange.needs_inspection and b"data" in self._events[0].raw):
                chunks.append(await self._inspect_event(self._events.popleft()))
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _split(self) -> bool:
        """Split more of the stream into events; return False at its end."""
        if not self._unsplit:
            try:
                chunk = await self._connection.read()
            except UpstreamError:
                await self._register_unanswered()
                raise
            if not chunk:
                return await self._split_tail()
            self._unsplit.extend(_portions(chunk))
        self._events.extend(self._splitter.feed(self._unsplit.popleft()))
        if self._unsplit:
            # Very many very short events must not block other tasks.
            await asyncio.sleep(0)
        return True

    async def _split_tail(self) -> bool:
        """Take an event without its blank line from the end of the stream; return False if there is none.

        The SSE standard has clients discard such an event, but some dispatch it. So it is inspected and passed on like
        any other, except to restricted keys.
        """
        tail = self._splitter.flush()
        if not tail or self.may_redact:
            await self._register_unanswered()
            return False
        self._events.append(Event(tail, True))
        return True

    async def _inspect_event(self, event: Event) -> bytes | bytearray:
        raw = event.raw
        if self._rewrite_endpoint is not None and event.is_complete and event_type(raw) == b"endpoint":
            return replace_event_data(raw, await self._rewrite_endpoint(bytes(event_data(raw))))
        if not self._exchange.needs_inspection:
            return raw
        if not event.is_complete:
            await self._pass_uninspected()
            return raw
        is_resumable = self._exchange.has_pending and has_event_id(raw)
        if is_resumable and self._exchange.is_limited_to_tables:
            # Even before the result itself: it must never pass as the response to another request with the same id.
            raw = await self._register_resumable(raw)
        data = bytes(event_data(raw)) if self.may_redact else event_data(raw)
        passed = (await self._inspect(data)).output if data else data
        if is_resumable and not self._exchange.is_limited_to_tables:
            raw = await self._register_resumable(raw)
        return raw if passed is data else replace_event_data(raw, passed)

    async def _register_resumable(self, event: bytes | bytearray) -> bytes | bytearray:
        """Register the unanswered calls before the client gets an event id to resume from; return the event.

        If they cannot be registered, the event loses its id, so that the responses can only come on this stream.
        """
        try:
            await self._correlation.register(self._exchange)
        except CorrelationUnavailable as error:
            log.warning("a stream cannot be resumed: %s", error)
            return remove_event_id(event)
        return event


class BodyStream(ResponseStream):
    """A response that is one body, as JSON."""

    def __init__(self, streams: ResponseStreams, connection: UpstreamConnection, exchange: Exchange) -> None:
        super().__init__(streams, connection, exchange)
        self._chunks: list[Chunk] = []
        """All chunks so far, to be inspected together."""
        self._size = 0
        self._withheld: Chunk = b""
        """The last of them, which is returned after inspection only."""

    def _has_buffered(self) -> bool:
        return bool(self._withheld or self._chunks)

    async def _next(self) -> Chunk:
        while True:
            try:
                chunk = self._connection.read_nowait() or await self._connection.read()
            except UpstreamError:
                await self._register_unanswered()
                raise
            if not self._exchange.needs_inspection:
                return self._last(chunk) if not chunk else self._release(chunk)
            if chunk:
                self._chunks.append(chunk)
                self._size += len(chunk)
            if not chunk or self._connection.at_eof:
                return await self._inspect_whole(chunk)
            if self._size > MAX_INSPECTED:
                await self._pass_uninspected()
                self._chunks.clear()
                return self._release(chunk)
            if not self.may_redact:
                released, self._withheld = self._withheld, chunk
                if released:
                    return released

    async def _inspect_whole(self, last: Chunk) -> Chunk:
        body = join_chunks(self._chunks)
        if len(body) > _LARGE:
            # Decoding and counting each take a turn of the event loop. A cancellation in between loses nothing.
            self._exchange.decode_ahead(body)
            await asyncio.sleep(0)
        self._chunks.clear()
        inspection = await self._inspect(body)
        passed: Chunk = inspection.output
        if self._exchange.has_pending:
            await self._register_unanswered()
        if not self.may_redact:
            returned = len(body) - len(self._withheld) - len(last)
            passed = memoryview(body)[returned:] if returned else body
        return self._last(passed)

    def _release(self, chunk: Chunk) -> Chunk:
        released = join_chunks((self._withheld, chunk)) if self._withheld else chunk
        self._withheld = b""
        return released


def _portions(chunk: Chunk) -> Sequence[Chunk]:
    """Split a chunk that may contain very many events into small portions."""
    if len(chunk) <= _PORTION or not has_more_line_ends_than(chunk, _MANY_LINES):
        return (chunk,)
    return [chunk[start : start + _PORTION] for start in range(0, len(chunk), _PORTION)]
