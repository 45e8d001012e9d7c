"""The answer on its way to the client, with the meter listening.

The rules:

- The bytes that come out are those of the upstream, in order and whole, except where `PendingCalls` replaced that of
  a restricted key.
- The piece that completes a tool call's answer comes out only after its usage event is safe. So whoever holds a whole
  answer can be sure that it was counted.
- Of a stream, each event comes out when it has arrived; of a JSON answer, all but the last piece.
- An answer larger than `MAX_INSPECTED` is passed on unread and counted as unknown; a restricted key does not get it.
- What is not answered when the answer ends, or could be fetched on another stream, is noted first
  (`gateway.proxy.accounting.correlation`).
- The work can be taken up where a cancelled caller left it, so that a call whose client has gone is counted all the
  same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.protocol.sse import (
    Event,
    EventSplitter,
    event_data,
    event_type,
    has_event_id,
    has_more_line_ends_than,
    remove_event_id,
    replace_event_data,
)
from gateway.proxy.accounting.correlation import Correlation, CorrelationUnavailable, RecordUsage
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import ResponseError, UpstreamError

log = logging.getLogger(__name__)

MAX_INSPECTED = 32 * 1024 * 1024
"""Bytes of one answer that are held to be counted."""
_LARGE = 1024 * 1024
"""Bytes of a whole answer that takes milliseconds to be looked at."""
_MANY_LINES = 500
"""Line ends of a kind in a chunk from which on it is split in portions of `_PORTION` bytes; others have their turn
between."""
_PORTION = 2048
_REFUSED = 400
"""The status from which on nothing will be answered to what was asked."""

OpenEndpoint = Callable[[bytes], Awaitable[bytes]]
"""What has to be told a client in place of the address that the upstream names for its messages (2024-11-05)."""


class ResponseStream:
    """Gives the pieces of one answer, in order."""

    def __init__(
        self,
        answer: UpstreamConnection,
        calls: PendingCalls,
        record: RecordUsage,
        elsewhere: Correlation,
        open_endpoint: OpenEndpoint | None = None,
    ) -> None:
        self._answer = answer
        self._calls = calls
        self._record = record
        self._elsewhere = elsewhere
        self._open_endpoint = open_endpoint
        self.is_event_stream = answer.is_event_stream
        if self.is_event_stream:
            self._splitter = EventSplitter(MAX_INSPECTED)
        self._unsplit: deque[Chunk] = deque()
        self._events: deque[Event] = deque()
        self._parts: list[Chunk] = []
        self._size = 0
        self._held: Chunk = b""
        self._is_over = False
        self._is_prepared = False
        self.may_change = calls.may_redact
        if calls.needs_inspection:
            answer.buffer_whole()

    @property
    def is_over(self) -> bool:
        """Whether the last piece has been given, and nothing is left to be done."""
        if self._is_over or not self._answer.at_eof or self._calls.has_pending:
            return self._is_over
        return not (
            self._unsplit
            or self._events
            or self._held
            or self._parts
            or (self.is_event_stream and self._splitter.has_partial_event)
        )

    async def next(self) -> Chunk:
        """The next piece, empty at the end. Raises `UpstreamError` where the answer broke off."""
        if self._is_over:
            return b""
        if not self._is_prepared:
            # Meanwhile the upstream works on; and nothing has been read yet that a cancellation could lose.
            if not self._calls.is_sql_parsed:
                await asyncio.to_thread(self._calls.parse_sql)
            self._is_prepared = True
        if self.is_event_stream:
            return await self._next_events()
        return await self._next_part()

    async def finish(self) -> None:
        """Take the rest of the answer in for a client that has gone. Raises `UpstreamError`."""
        while self._calls.has_pending_results and await self.next():
            pass

    async def _next_events(self) -> Chunk:
        pieces: list[Chunk] = []
        while not pieces:
            if not self._events and not await self._split():
                return self._last(b"")
            # What has passed does not wait for what is still to be looked at.
            while self._events and not (pieces and self._calls.needs_inspection and b"data" in self._events[0].raw):
                pieces.append(await self._pass_event(self._events.popleft()))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _split(self) -> bool:
        """Split some more of the stream into events; whether anything was left of it."""
        if not self._unsplit:
            chunk = await self._read()
            if not chunk:
                return await self._split_tail()
            self._unsplit.extend(_portions(chunk))
        self._events.extend(self._splitter.feed(self._unsplit.popleft()))
        if self._unsplit:
            # Very many very short events are not to keep others waiting.
            await asyncio.sleep(0)
        return True

    async def _split_tail(self) -> bool:
        """The stream has ended: what is left is an event without its blank line, or nothing.

        By the standard no client dispatches such an event, but some do: so it passes like any other, but not where
        answers may have to be changed.
        """
        tail = self._splitter.flush()
        if not tail or self.may_change:
            await self._leave()
            return False
        self._events.append(Event(tail, True))
        return True

    async def _read(self) -> Chunk:
        """The next bytes of the answer; where it breaks off without all answers, what it lacks is noted first."""
        try:
            return await self._answer.read()
        except UpstreamError:
            await self._leave()
            raise

    async def _leave(self) -> None:
        """Whatever is not answered here may be answered elsewhere, unless it was refused."""
        if not self._calls.has_pending:
            return
        if self._answer.status >= _REFUSED:
            await self._elsewhere.withdraw(self._calls)
        elif self._calls.has_session:
            await self._elsewhere.register(self._calls)

    async def _pass_event(self, event: Event) -> bytes | bytearray:
        raw = event.raw
        if self._open_endpoint is not None and event.is_complete and event_type(raw) == b"endpoint":
            return replace_event_data(raw, await self._open_endpoint(bytes(event_data(raw))))
        if not self._calls.needs_inspection:
            return raw
        if not event.is_complete:
            await self._give_up()
            return raw
        is_resumable = self._calls.has_pending and has_event_id(raw)
        if is_resumable and self._calls.is_limited_to_tables:
            # Also where it is the result: it must never pass as the answer to another request of the same id.
            raw = await self._noted(raw)
        data = bytes(event_data(raw)) if self.may_change else event_data(raw)
        passed = await self._inspect(data) if data else data
        if is_resumable and not self._calls.is_limited_to_tables:
            raw = await self._noted(raw)
        return raw if passed is data else replace_event_data(raw, passed)

    async def _noted(self, event: bytes | bytearray) -> bytes | bytearray:
        """An event after which the stream can be taken up again, now that what is not answered yet is noted.

        Where that fails, the event goes without its id: then the answers come here and nowhere else.
        """
        try:
            await self._elsewhere.register(self._calls)
        except CorrelationUnavailable as failure:
            log.warning("a stream cannot be taken up again: %s", failure)
            return remove_event_id(event)
        return event

    async def _inspect(self, text: Chunk) -> bytes:
        """Look at one JSON text of the answer; once it is counted, what may pass in its place."""
        # It is read like bytes, and not changed either.
        data = cast(bytes, text)
        inspection = self._calls.inspect(data)
        if inspection.lookups or inspection.created_tasks:
            return await self._elsewhere.resolve(self._calls, data, inspection, self._record)
        if inspection.events:
            await self._record(inspection)
        return inspection.output

    async def _next_part(self) -> Chunk:
        while True:
            try:
                chunk = self._answer.read_nowait() or await self._answer.read()
            except UpstreamError:
                await self._leave()
                raise
            if not self._calls.needs_inspection:
                return self._last(chunk) if not chunk else self._release(chunk)
            if chunk:
                self._parts.append(chunk)
                self._size += len(chunk)
            if not chunk or self._answer.at_eof:
                return await self._pass_whole(chunk)
            if self._size > MAX_INSPECTED:
                await self._give_up()
                self._parts.clear()
                return self._release(chunk)
            if not self.may_change:
                released, self._held = self._held, chunk
                if released:
                    return released

    async def _pass_whole(self, last: Chunk) -> Chunk:
        body = join_chunks(self._parts)
        if len(body) > _LARGE:
            # To read it and to count in it are for two turns of the loop; who is cancelled between has lost nothing.
            self._calls.decode_ahead(body)
            await asyncio.sleep(0)
        self._parts.clear()
        passed: Chunk = await self._inspect(body)
        if self._calls.has_pending:
            await self._leave()
        if not self.may_change:
            released = len(body) - len(self._held) - len(last)
            passed = memoryview(body)[released:] if released else body
        return self._last(passed)

    def _release(self, chunk: Chunk) -> Chunk:
        released = join_chunks((self._held, chunk)) if self._held else chunk
        self._held = b""
        return released

    def _last(self, piece: Chunk) -> Chunk:
        self._is_over = True
        return piece

    async def _give_up(self) -> None:
        if self.may_change:
            raise ResponseError("The answer is too large to be checked for a restricted API key")
        inspection = self._calls.abandon()
        if inspection.events:
            await self._record(inspection)
        await self._elsewhere.withdraw(self._calls)


def _portions(chunk: Chunk) -> Sequence[Chunk]:
    """A chunk, in small portions where it may hold very many events."""
    if len(chunk) <= _PORTION or not has_more_line_ends_than(chunk, _MANY_LINES):
        return (chunk,)
    return [chunk[start : start + _PORTION] for start in range(0, len(chunk), _PORTION)]
