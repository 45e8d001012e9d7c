"""A response of server-sent events, each returned when it is complete and inspected."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.protocol.buffers import Chunk
from gateway.protocol.sse_event import event_data, event_type, has_event_id, remove_event_id, replace_event_data
from gateway.protocol.sse_splitter import Event, EventSplitter, has_more_line_ends_than
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.response_decoder import RESULT_MEMBER
from gateway.proxy.pipeline.streams.response_stream import MAX_INSPECTED, ResponseSource, ResponseStream, UsageServices
from gateway.proxy.upstream.errors import UpstreamError

log = logging.getLogger(__name__)

_MANY_LINES = 500
"""Line ends of one type in a chunk above which it is split into portions of `_PORTION` bytes, so that other tasks get
their turn in between."""
_PORTION = 2048

RewriteEndpoint = Callable[[bytes], Awaitable[bytes]]
"""Replaces the address that the upstream announces for messages (HTTP+SSE transport, 2024-11-05) by the gateway's."""


class EventStream(ResponseStream):
    """A response of server-sent events."""

    def __init__(
        self,
        services: UsageServices,
        source: ResponseSource,
        exchange: Exchange,
        rewrite_endpoint: RewriteEndpoint | None = None,
    ) -> None:
        super().__init__(services, source, exchange)
        self._rewrite_endpoint = rewrite_endpoint
        self._splitter = EventSplitter(MAX_INSPECTED)
        self._unsplit: deque[Chunk] = deque()
        self._events: deque[Event] = deque()
        self._is_between_events = True
        self._is_tail = False
        """True once the end of the stream was taken, an event without its blank line."""

    @property
    def is_between_events(self) -> bool:
        """True if what was returned so far ends with a whole event."""
        return self._is_between_events

    @property
    def has_uninspected(self) -> bool:
        """True if events were read completely that were not inspected yet."""
        return bool(self._unsplit or self._events)

    def _has_buffered(self) -> bool:
        return self.has_uninspected or self._splitter.has_partial_event

    async def _next(self) -> Chunk:
        chunks: list[Chunk] = []
        event: Event | None = None
        while not chunks:
            if not self._events and not await self._split():
                return self._last(b"")
            # Inspected events are returned before the next inspection begins.
            while self._events and not (chunks and self._exchange.needs_inspection and b"data" in self._events[0].raw):
                event = self._events.popleft()
                chunks.append(await self._inspect_event(event))
        assert event is not None
        if self._exchange.unmatched_bytes and self._source.at_eof and not self._has_buffered():
            # These are the last bytes: the client must not have them before they are counted.
            await self._end()
        self._is_between_events = (event.is_complete or event.is_last) and not self._is_tail
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _split(self) -> bool:
        """Split more of the stream into events; return False at its end."""
        if not self._unsplit:
            try:
                chunk = await self._source.read()
            except UpstreamError:
                await self._end()
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
            await self._end()
            return False
        self._is_tail = True
        is_part = self._size > 0
        self._events.append(Event(tail, not is_part, is_last=is_part))
        return True

    async def _inspect_event(self, event: Event) -> bytes | bytearray:
        raw = event.raw
        if self._rewrite_endpoint is not None and event.is_complete and event_type(raw) == b"endpoint":
            return replace_event_data(raw, await self._rewrite_endpoint(bytes(event_data(raw))))
        if not self._exchange.needs_inspection:
            return raw
        if not event.is_complete:
            await self._pass_part(event)
            return raw
        is_resumable = self._exchange.has_pending and has_event_id(raw)
        if is_resumable and self._exchange.is_limited_to_tables:
            # Even before the result itself: it must never pass as the response to another request with the same id.
            raw = await self._register_resumable(raw)
        data = bytes(event_data(raw)) if self.may_redact else event_data(raw)
        if not data and RESULT_MEMBER in raw:
            # Clients of SSE ignore it, but others may read it: JSON under the wrong content type, a comment.
            inspected = (await self._inspect(raw)).output
            return raw if inspected is raw else replace_event_data(b"", inspected)
        unmatched_before = self._exchange.unmatched_bytes
        passed = (await self._inspect(data)).output if data else data
        if self._is_tail:
            # Clients discard what is incomplete.
            self._exchange.unmatched_bytes = unmatched_before
        if is_resumable and not self._exchange.is_limited_to_tables:
            raw = await self._register_resumable(raw)
        return raw if passed is data else replace_event_data(raw, passed)

    async def _pass_part(self, part: Event) -> None:
        """Count the calls when the last part of an event passes that is too large to be inspected."""
        self._check_size()
        self._size += len(part.raw)
        if part.is_last:
            await self._count_uninspected(self._size)
            self._size = 0

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


def _portions(chunk: Chunk) -> Sequence[Chunk]:
    """Split a chunk that may contain very many events into small portions."""
    if len(chunk) <= _PORTION or not has_more_line_ends_than(chunk, _MANY_LINES):
        return (chunk,)
    return [chunk[start : start + _PORTION] for start in range(0, len(chunk), _PORTION)]
