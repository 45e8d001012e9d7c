"""The background task that replays the spool: continuously while Redis is unavailable, periodically otherwise."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.usage.producer.channel import AcceptedCounter
from gateway.usage.producer.spool import SYNC_SECONDS, Spool
from gateway.usage.producer.stream_client import UsageStreamClient

REPLAY_SECONDS = 1.0
"""Seconds between two replays while there are spool files."""
ADOPT_SECONDS = 5.0
"""Seconds between two searches for files of dead processes while this process has no spool files."""
_PAUSES = (0.1, SYNC_SECONDS)
"""Shortest and longest pause between attempts while Redis is unavailable, in seconds."""

log = logging.getLogger(__name__)


class ReplayTask:
    """Replays a spool until Redis has everything, and tracks if Redis is available."""

    def __init__(self, spool: Spool, client: UsageStreamClient, accepted: AcceptedCounter) -> None:
        self._spool = spool
        self._client = client
        self._accepted = accepted
        self.redis_unavailable = asyncio.Event()
        """Set from a failure of Redis until a whole replay succeeded."""
        self._reported_events = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="usage-stream")

    async def stop(self) -> None:
        """Stop; replay a last time if Redis may lack events."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        if self._spool.unconfirmed_size:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(self._client.reply_timeout):
                    await self._spool.replay(self._client)

    def redis_failed(self, error: Exception) -> None:
        """Switch to the spool: Redis did not acknowledge a batch, or has lost one."""
        self._spool.mark_unconfirmed()
        if not self.redis_unavailable.is_set():
            self.redis_unavailable.set()
            reason = str(error) or type(error).__name__
            log.warning("usage stream: Redis is unavailable (%s), events go to %s", reason, self._spool.path)

    async def replay(self) -> int:
        """Send the events that Redis lacks, and publish how many only the spool has. Return the number sent."""
        await self.report()
        sent = await self._spool.replay(self._client)
        await self.report()
        return sent

    async def _run(self) -> None:
        pause = _PAUSES[0]
        while True:
            try:
                sent = await self.replay()
            except Exception as error:
                if not isinstance(error, (RedisError, OSError)):
                    log.exception("usage stream: replaying the spool failed")
                self.redis_failed(error)
                await asyncio.sleep(pause)
                await self._spool.sync()
                pause = min(pause * 2, _PAUSES[1])
                continue
            pause = _PAUSES[0]
            if self.redis_unavailable.is_set():
                log.warning("usage stream: Redis is available again, %d events sent from the spool", sent)
                self.redis_unavailable.clear()
            elif sent:
                log.warning("usage stream: Redis had lost %d events, they were sent again from the spool", sent)
            if not self._spool.unconfirmed_size:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ADOPT_SECONDS if self._spool.is_empty else REPLAY_SECONDS):
                        await self.redis_unavailable.wait()

    async def report(self) -> None:
        """Publish how many events only the spool has, if there are any or were any."""
        spooled = self._spool.unsent_events
        if spooled or self._reported_events:
            await self._client.report_spooled(self._accepted, spooled)
            self._reported_events = spooled
