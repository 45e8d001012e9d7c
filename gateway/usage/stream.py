"""The way of a usage event out of the gateway: into the usage stream, or else into the spool.

Rules:
- `append` returns only when the event is safe: Redis acknowledged the entry that carries it, or it is in the
  spool. It raises `SpoolFull` where neither was possible; then the call's answer must not go out whole.
- All events of one turn of the event loop go in one entry. Batches travel in lanes, one at a time in each;
  while every lane is busy, further turns join the batch that waits.
- A waiter that is cancelled takes nothing with it: the batch goes on, its own event included.
- Sending twice adds once. Redis remembers for each lane the batch that last arrived through it, in the same
  script that adds the entry. A batch whose answer was lost is spooled with its lane and batch number, the
  lane gets a new name, and whichever of the two sendings comes later finds the batch there.
- Redis is given `answer_timeout` seconds. After a failure events go straight to the spool until Redis takes
  one again; meanwhile the spool is drained with growing pauses.
- The stream is never trimmed here. Its length comes back with every append; more than `stream_bound` is
  reported.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from gateway import redis_names
from gateway.tasks import end
from gateway.usage.event import UsageEvent, join, pack_event
from gateway.usage.observer import UsageObserver
from gateway.usage.spool import SYNC_SECONDS, Spool, SpoolFull
from gateway.usage.spool_file import SpoolRecord

LANES = 4
"""Batches in flight at once; each takes one connection while it is."""
BATCH_EVENTS = 256
BATCH_BYTES = 256 * 1024
"""An entry takes no further event once it has so many; usual ones reach about 64 KiB."""
WAITING_EVENTS = 20_000
"""Events that wait for a lane; what comes on top goes to the spool."""
STREAM_BOUND = 5_000_000
"""Entries; about a gigabyte of Redis memory."""
ANSWER_TIMEOUT = 2.0
ADOPT_SECONDS = 5.0
"""How often files of dead processes are looked for."""
LANE_SECONDS = 7 * 24 * 3600
"""How long Redis remembers a lane: longer than a batch can be on its way twice."""
_PAUSES = (0.1, SYNC_SECONDS)
"""Shortest and longest pause between attempts while Redis is away, in seconds."""

_ADD = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  redis.call('XADD', KEYS[1], '*', 'e', ARGV[2])
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
end
return redis.call('XLEN', KEYS[1])
"""
_ADD_SHA = hashlib.sha1(_ADD.encode(), usedforsecurity=False).hexdigest()

log = logging.getLogger(__name__)


class _Batch:
    """Events that travel together, and the one future that their waiters share."""

    __slots__ = ("done", "events", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.events: list[bytes] = []
        self.size = 0
        self.done: asyncio.Future[None] = loop.create_future()
        # Where every waiter was cancelled, nobody fetches the outcome.
        self.done.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def is_full(self) -> bool:
        return len(self.events) >= BATCH_EVENTS or self.size >= BATCH_BYTES

    def add(self, event: bytes) -> None:
        self.events.append(event)
        self.size += len(event)

    def record(self, lane: str, number: int) -> SpoolRecord:
        """The batch as it is sent or spooled."""
        return SpoolRecord(lane, str(number), len(self.events), join(self.events))


class _Lane:
    """A way into the stream that carries one batch at a time."""

    __slots__ = ("batch", "name")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.name = secrets.token_hex(12)
        self.batch = 0


class UsageStream:
    """Where a gateway worker leaves its usage events."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        spool: Spool,
        *,
        answer_timeout: float = ANSWER_TIMEOUT,
        stream_bound: int = STREAM_BOUND,
        lanes: int = LANES,
        observer: UsageObserver | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`redis` needs at least `lanes` + 1 free connections; its own retries do no harm."""
        self._redis = redis
        self._spool = spool
        self._answer_timeout = answer_timeout
        self._bound = stream_bound
        self._observer = observer or UsageObserver()
        self._monotonic = monotonic
        self._idle = [_Lane() for _ in range(lanes)]
        self._waiting: deque[_Batch] = deque()
        self._waiting_events = 0
        self._scheduled = False
        self._sending: set[asyncio.Task[None]] = set()
        self._away = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._warned_at = -60.0

    @property
    def redis_away(self) -> bool:
        """Whether events go to the spool at present."""
        return self._away.is_set()

    async def start(self) -> None:
        """Begin to drain the spool in the background: what earlier processes left first. Does not need
        Redis.
        """
        self._keeper = asyncio.create_task(self._keep(), name="usage-stream")

    async def append(self, event: UsageEvent) -> None:
        """Return when the event is safe. Raises `SpoolFull` where it could be made safe nowhere."""
        packed = pack_event(event)
        loop = asyncio.get_running_loop()
        if not self._waiting or self._waiting[-1].is_full:
            self._waiting.append(_Batch(loop))
        batch = self._waiting[-1]
        batch.add(packed)
        self._waiting_events += 1
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._end_of_turn)
        await asyncio.shield(batch.done)

    async def close(self) -> None:
        """See every event safe, then stop. Call it when no `append` is to come."""
        while self._waiting or self._sending or self._scheduled:
            await asyncio.sleep(0)
            await asyncio.gather(*self._sending)
        if self._keeper is not None:
            await end(self._keeper)
        if not self._spool.is_empty:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(self._answer_timeout):
                    await self._spool.drain(self._send)
        await self._spool.sync()
        self._spool.close()

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        while self._waiting:
            if not self._away.is_set() and self._idle:
                lane = self._idle.pop()
                task = asyncio.create_task(self._carry(lane, self._next_waiting()))
                self._sending.add(task)
                task.add_done_callback(self._carried)
            elif self._away.is_set() or self._waiting_events > WAITING_EVENTS:
                batch = self._next_waiting()
                self._to_spool(batch, batch.record(secrets.token_hex(12), 0))
            else:
                return

    def _next_waiting(self) -> _Batch:
        batch = self._waiting.popleft()
        self._waiting_events -= len(batch.events)
        return batch

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if self._waiting and not self._scheduled:
            self._dispatch()

    async def _carry(self, lane: _Lane, batch: _Batch) -> None:
        lane.batch += 1
        record = batch.record(lane.name, lane.batch)
        try:
            await self._send(record)
        except BaseException as error:
            # Whatever it was, the end of the loop included: it may have arrived, and it must be safe.
            lane.renew()
            self._to_spool(batch, record)
            if not isinstance(error, Exception):
                raise
            self._lost_redis(error)
        else:
            self._observer.appended(record.count)
            batch.done.set_result(None)
        finally:
            self._idle.append(lane)

    async def _send(self, record: SpoolRecord) -> None:
        """Add a batch to the stream unless it is there. Raises what the Redis client raises, or
        `TimeoutError`.
        """
        keys = (redis_names.USAGE, redis_names.USAGE_LANE + record.lane)
        arguments: tuple[Any, ...] = (record.batch, record.packed, LANE_SECONDS)
        async with asyncio.timeout(self._answer_timeout):
            try:
                length = await self._redis.evalsha(_ADD_SHA, 2, *keys, *arguments)
            except NoScriptError:
                length = await self._redis.eval(_ADD, 2, *keys, *arguments)
        self._observer.stream_length(int(length), self._bound)
        if int(length) > self._bound:
            self._warn("usage stream: %d entries wait, more than the bound of %d", length, self._bound)

    def _to_spool(self, batch: _Batch, record: SpoolRecord) -> None:
        try:
            self._spool.append(record)
        except SpoolFull as error:
            self._warn("usage: %d events could not be made safe: %s", record.count, error)
            self._observer.refused(record.count)
            batch.done.set_exception(error)
        else:
            batch.done.set_result(None)

    def _lost_redis(self, error: Exception) -> None:
        if not self._away.is_set():
            self._away.set()
            words = str(error) or type(error).__name__
            log.warning("usage stream: Redis takes no events (%s), they go to %s", words, self._spool.path)

    async def _keep(self) -> None:
        """Drain while there is something to drain; look after dead processes' files now and then."""
        pause = _PAUSES[0]
        while True:
            try:
                sent = await self._spool.drain(self._send)
                if self._away.is_set():
                    log.warning("usage stream: Redis takes events again, %d sent from the spool", sent)
                    self._away.clear()
                if not self._spool.is_empty:
                    continue
            except Exception as error:
                self._lost_redis(error)
                await asyncio.sleep(pause)
                await self._spool.sync()
                pause = min(pause * 2, _PAUSES[1])
            else:
                pause = _PAUSES[0]
                with suppress(TimeoutError):
                    async with asyncio.timeout(ADOPT_SECONDS):
                        await self._away.wait()

    def _warn(self, message: str, *values: object) -> None:
        """Log an error at most once a minute; the observer hears every one."""
        if self._monotonic() - self._warned_at >= 60:
            self._warned_at = self._monotonic()
            log.error(message, *values)
