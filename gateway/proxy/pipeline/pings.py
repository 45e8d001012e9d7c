"""Comments on event streams that are silent for long, so that nothing between gateway and client closes them.

- A ping is sent between events only, and only while the stream waits for the upstream.
- It is not sent to a client that reads too slowly to need one.
"""

from __future__ import annotations

import asyncio

from gateway.protocol.buffers import Chunk
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.pipeline.streams.response_stream import ResponseStream

PING = b": ping\n\n"


class PingedStream:
    """A response stream whose client gets a ping after each `seconds` of silence; 0: never.

    The silence begins with the object, when the head of the response has arrived.
    """

    __slots__ = ("_is_waiting", "_last_sent", "_loop", "_seconds", "_stream", "_timer", "_writer")

    def __init__(self, stream: ResponseStream, writer: ResponseWriter, seconds: float) -> None:
        self._stream = stream
        self._writer = writer
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._is_waiting = False
        self._last_sent = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._on_timer) if seconds else None

    async def next_chunk(self) -> Chunk:
        """Return the next chunk, empty at the end. Raises what `ResponseStream.next_chunk` raises."""
        self._is_waiting = True
        try:
            return await self._stream.next_chunk()
        finally:
            self._is_waiting = False
            self._last_sent = self._loop.time()

    def close(self) -> None:
        """Send no more pings."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_timer(self) -> None:
        now = self._loop.time()
        if now >= self._last_sent + self._seconds:
            if self._is_waiting and self._stream.is_between_events and self._writer.write_nowait(PING):
                # Something was sent, so a result beyond a limit can only be replaced.
                self._stream.may_reject = False
            self._last_sent = now
        self._timer = self._loop.call_at(self._last_sent + self._seconds, self._on_timer)
