"""The way of a usage event out of the gateway: onto the disk, and into the usage stream.

Rules:
- `append` is done only when the event is safe: it is in a spool file (unless the disk takes nothing), and Redis
  acknowledged the entry that carries it (unless Redis is away). It raises `SpoolFull` where neither was
  possible; then the call's answer must not go out whole.
- A batch is sent and spooled in one step, in which nothing else happens. Redis may have it before the spool does; who
  waits for it hears of it when both have it.
- All events of one turn of the event loop go in one entry; that of a call that is alone does not wait for others.
  Batches travel in lanes, one at a time in each; while every lane is busy, further turns join the batch that waits.
- A waiter that is cancelled takes nothing with it: the batch goes on, its own event included.
- Sending twice adds once, and what Redis forgets is noticed. The batches of a lane are numbered, and Redis
  notes the last number with each entry, in the same script. A live batch is added only right after its
  predecessor: if that is unknown, Redis has lost acknowledged entries (killed before it wrote its file, or
  replaced by a replica), and all that the spool still has is sent again in order, lane by lane. Entries that are
  sent again, or may be, say so, for the writer may have stored them before. A lane whose batch failed in any way
  gets a new name, so that the order within a lane is that of its numbers.
- What is accepted is counted before it is sent, and the count travels with each batch and is noted by the same
  script, so that what arrived further on can be held against it (`reconcile`).
- Redis is given `reply_timeout` seconds. After a failure events go to the spool alone until Redis takes one
  again; attempts have growing pauses.
- The stream is never trimmed here. Its length comes back with every append; more than `stream_bound` is reported.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.redis import names as redis_names
from gateway.redis.client import DedicatedRedisConnection, wait_for_fsync
from gateway.usage.event import UsageEvent, pack_event
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.channels import AcceptedCounter, EventBatch, OnDurable, SequencedChannel
from gateway.usage.producer.spool import SYNC_SECONDS, Spool, SpoolFull
from gateway.usage.producer.spool_file import SpoolRecord

CHANNELS = 2
"""Batches in flight at once: one is filled while another is carried, and the fewer there are, the more each holds."""
WAITING_EVENTS = 20_000
"""Events that wait for a lane; what comes on top goes to the spool."""
STREAM_BOUND = 5_000_000
"""Entries; about a gigabyte of Redis memory."""
REPLY_TIMEOUT = 2.0
SETTLE_SECONDS = 1.0
"""How often spool files are looked through, while there are any."""
ADOPT_SECONDS = 5.0
"""How often files of dead processes are looked for."""
ACCOUNT_SECONDS = 400 * 24 * 3600
"""How long Redis keeps how many events of a day were accepted."""
LANE_SECONDS = 30 * 24 * 3600
"""How long Redis remembers a lane: longer than a batch can be on its way twice."""
_PAUSES = (0.1, SYNC_SECONDS)
"""Shortest and longest pause between attempts while Redis is away, in seconds."""

_ADD = f"""
local last, number, missing = tonumber(redis.call('GET', KEYS[2]) or 0), tonumber(ARGV[2]), ARGV[6]
if last < number then
  if not missing and last ~= number - 1 then return -1 end
  if missing or ARGV[4] == '1' then
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[5], 'again', 1)
  else
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[5])
  end
  redis.call('SET', KEYS[2], number, 'EX', {LANE_SECONDS})
  local noted = redis.call('HGET', KEYS[3], ARGV[1])
  if not noted or tonumber(noted) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[3], ARGV[1], ARGV[3]) end
  if not noted then redis.call('EXPIRE', KEYS[3], {ACCOUNT_SECONDS}) end
  if missing == '0' then redis.call('HDEL', KEYS[4], ARGV[1])
  elseif missing then redis.call('HSET', KEYS[4], ARGV[1], missing) end
end
return redis.call('XLEN', KEYS[1])
"""
"""A live batch comes without the last argument, and what is sent again with it: how much is missing then."""
_REPORT = """
for i = 2, #KEYS do
  local noted = redis.call('HGET', KEYS[i], ARGV[1])
  if not noted or tonumber(noted) < tonumber(ARGV[i + 2]) then redis.call('HSET', KEYS[i], ARGV[1], ARGV[i + 2]) end
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
if ARGV[2] == '0' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""
_ADD_SHA = hashlib.sha1(_ADD.encode(), usedforsecurity=False).hexdigest()

log = logging.getLogger(__name__)


class RedisForgot(Exception):
    """Redis does not know a batch that it had acknowledged."""


class UsageStream:
    """Where a gateway worker leaves its usage events."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        spool: Spool,
        *,
        reply_timeout: float = REPLY_TIMEOUT,
        stream_bound: int = STREAM_BOUND,
        lanes: int = CHANNELS,
        metrics: UsageMetricsSink | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each lane has a connection of its own beside those of `redis`, whose retries do no harm."""
        self._redis = redis
        self._spool = spool
        self._answer_timeout = reply_timeout
        self._bound = stream_bound
        self._metrics = metrics or UsageMetricsSink()
        self._monotonic = monotonic
        self._lanes = [SequencedChannel(DedicatedRedisConnection(redis, reply_timeout)) for _ in range(lanes)]
        self._idle = list(self._lanes)
        self._spool_lane = SequencedChannel(DedicatedRedisConnection(redis, reply_timeout))
        """For batches that are only spooled; nothing is sent through it but by the spool, in order."""
        self._tally = AcceptedCounter(spool.name)
        self._reported_spooled = 0
        self._waiting: deque[EventBatch] = deque()
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

    def append(self, event: UsageEvent, *, possibly_duplicate: bool = False) -> asyncio.Future[None]:
        """Done when the event is safe; fails with `SpoolFull` where it could be made safe nowhere.

        To cancel it stops nothing: the event is on its way. `possibly_duplicate`: another process may append the same
        event; it is stored once.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._joined(event, possibly_duplicate).waiters.append(waiter)
        self._leave_soon()
        return waiter

    def append_callback(self, event: UsageEvent, then: OnDurable, *, is_alone: bool = False) -> None:
        """The same without a future, and a turn of the event loop earlier.

        `then` is called once, in a later turn than this, with `None` or a `SpoolFull`; it must return at once.
        `is_alone`: no other event is to be expected soon. Then this one leaves at once, in no company.
        """
        self._joined(event, False).thens.append(then)
        if is_alone and self._idle and not self._scheduled and not self._away.is_set():
            lane = self._idle[-1]
            self._dispatch()
            lane.connection.busy_poll()
        else:
            self._leave_soon()

    def _joined(self, event: UsageEvent, possibly_duplicate: bool) -> EventBatch:
        """The batch that takes the event along."""
        packed, day = pack_event(event), event.day
        batch = self._waiting[-1] if self._waiting else None
        if batch is None or batch.is_full or batch.day != day:
            batch = EventBatch(day)
            self._waiting.append(batch)
        batch.add(packed)
        batch.possibly_duplicate |= possibly_duplicate
        self._waiting_events += 1
        return batch

    def _leave_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end_of_turn)

    async def close(self) -> None:
        """See every event safe, then stop. Call it when no `append` is to come."""
        while unsafe := [lane.batch for lane in self._lanes if lane not in self._idle] or self._waiting:
            await unsafe[0].ended()
        if self._keeper is not None:
            await cancel_and_wait(self._keeper)
        if self._spool.doubtful_size:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(self._answer_timeout):
                    await self._spool.settle(self)
        for lane in self._lanes:
            lane.connection.close()
        await self._spool.sync()
        self._spool.close()

    async def arrived(self, lanes: Sequence[str]) -> list[int]:
        """For the spool: the last batch that came through each lane."""
        async with asyncio.timeout(self._answer_timeout):
            found = await self._redis.mget([redis_names.USAGE_CHANNEL + lane for lane in lanes]) if lanes else []
        return [int(number or 0) for number in found]

    async def is_durable(self) -> bool:
        """For the spool: whether the disk of Redis has all that it has acknowledged."""
        async with asyncio.timeout(self._answer_timeout):
            return await wait_for_fsync(self._redis, redis_names.FSYNC_MARKER)

    async def send(self, record: SpoolRecord, missing: int) -> None:
        """For the spool: add a batch unless it, or a later one of its lane, is there."""
        async with asyncio.timeout(self._answer_timeout):
            await self._add(self._redis.execute_command, record, "again", missing)

    async def finished(self, process: str) -> None:
        """For the spool: a process that is gone has nothing on disk any more."""
        async with asyncio.timeout(self._answer_timeout):
            await self._redis.hdel(redis_names.USAGE_SPOOLED_ONLY, process)

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _end_of_turn(self) -> None:
        self._scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        while self._waiting:
            if not self._away.is_set() and self._idle:
                self._carry(self._idle.pop(), self._next_waiting())
            elif self._away.is_set() or self._waiting_events > WAITING_EVENTS:
                batch = self._next_waiting()
                record = batch.record(self._spool_lane, self._tally)
                self._spool_alone(batch, record, self._write(record))
            else:
                return

    def _next_waiting(self) -> EventBatch:
        batch = self._waiting.popleft()
        self._waiting_events -= len(batch.events)
        return batch

    def _carry(self, lane: SequencedChannel, batch: EventBatch) -> None:
        lane.batch, lane.record = batch, batch.record(lane, self._tally)
        # Redis is at work while the spool is written; its answer is looked at in a later turn.
        is_sent = lane.connection.send(("EVALSHA", _ADD_SHA, *_parameters(lane.record)), partial(self._answered, lane))
        lane.problem = self._write(lane.record)
        if not is_sent:
            self._carry_in_a_task(lane)

    def _answered(self, lane: SequencedChannel, answer: Any) -> None:
        try:
            if isinstance(answer, Exception):
                raise answer
            _check(answer)
        except (NoScriptError, RedisConnectionError):
            self._carry_in_a_task(lane)
        except Exception as error:
            self._not_carried(lane, error)
        else:
            self._carried(lane)
            self._told_length(answer)

    def _carry_in_a_task(self, lane: SequencedChannel) -> None:
        """Carry a batch with all that it may need: a connection, and the script itself."""
        task = asyncio.create_task(self._carry_slowly(lane))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _carry_slowly(self, lane: SequencedChannel) -> None:
        try:
            await self._add(lane.connection.execute, lane.record, "live")
        except BaseException as error:
            # Whatever it was, the end of the loop included: it may have arrived, and it must be safe.
            self._not_carried(lane, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._carried(lane)

    def _carried(self, lane: SequencedChannel) -> None:
        lane.batch.end()
        self._spool.acknowledged(lane.record)
        self._metrics.appended(lane.record.count)
        self._free(lane)

    def _not_carried(self, lane: SequencedChannel, error: BaseException) -> None:
        lane.renew()
        self._spool_alone(lane.batch, lane.record, lane.problem)
        if isinstance(error, Exception):
            self._lost_redis(error)
        self._free(lane)

    def _free(self, lane: SequencedChannel) -> None:
        self._idle.append(lane)
        if self._waiting and not self._scheduled:
            self._dispatch()

    async def _add(
        self, execute: Callable[..., Awaitable[Any]], record: SpoolRecord, mode: str, missing: int = 0
    ) -> None:
        """Run the script. Raises what the Redis client raises, `TimeoutError`, and `RedisForgot`."""
        parameters = _parameters(record, missing if mode == "again" else None)
        try:
            length = await execute("EVALSHA", _ADD_SHA, *parameters)
        except NoScriptError:
            length = await execute("EVAL", _ADD, *parameters)
        _check(length)
        self._told_length(length)

    def _told_length(self, length: int) -> None:
        self._metrics.stream_length(length, self._bound)
        if length > self._bound:
            self._warn("usage stream: %d entries wait, more than the bound of %d", length, self._bound)

    def _write(self, record: SpoolRecord) -> SpoolFull | None:
        """Have the spool take a batch; what it says if it cannot."""
        try:
            self._spool.append(record)
        except SpoolFull as error:
            self._warn("usage: events have no copy on disk: %s", error)
            self._metrics.unspooled(record.count)
            return error
        return None

    def _spool_alone(self, batch: EventBatch, record: SpoolRecord, problem: Exception | None) -> None:
        """The end for a batch that Redis did not take: it is safe if the spool has it."""
        if problem is not None:
            log.error("usage: %d events could not be made safe: %s", record.count, problem)
            self._tally.take_back(record)
            self._metrics.refused(record.count)
            batch.end(problem)
        else:
            self._spool.doubt()
            self._metrics.spooled(record.count)
            batch.end()

    def _lost_redis(self, error: Exception) -> None:
        self._spool.doubt()
        if not self._away.is_set():
            self._away.set()
            words = str(error) or type(error).__name__
            log.warning("usage stream: Redis takes no events (%s), they go to %s", words, self._spool.path)

    async def _keep(self) -> None:
        """Settle the spool, at once while Redis is away, now and then otherwise."""
        pause = _PAUSES[0]
        while True:
            try:
                await self._report()
                sent = await self._spool.settle(self)
                await self._report()
            except Exception as error:
                self._lost_redis(error)
                await asyncio.sleep(pause)
                await self._spool.sync()
                pause = min(pause * 2, _PAUSES[1])
                continue
            pause = _PAUSES[0]
            if self._away.is_set():
                log.warning("usage stream: Redis takes events again, %d sent from the spool", sent)
                self._away.clear()
            elif sent:
                log.warning("usage stream: Redis lacked %d events of the spool, they were sent again", sent)
            if not self._spool.doubtful_size:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ADOPT_SECONDS if self._spool.is_empty else SETTLE_SECONDS):
                        await self._away.wait()

    async def _report(self) -> None:
        """Note in Redis what only the spool has, and what was accepted with that."""
        spooled = self._spool.doubtful_events
        if not spooled and not self._reported_spooled:
            return
        days = list(self._tally.totals)
        keys = [redis_names.USAGE_SPOOLED_ONLY, *(f"{redis_names.USAGE_ACCEPTED}{day}" for day in days)]
        totals = [self._tally.totals[day] for day in days]
        async with asyncio.timeout(self._answer_timeout):
            await self._redis.eval(_REPORT, len(keys), *keys, self._tally.source, spooled, ACCOUNT_SECONDS, *totals)
        self._reported_spooled = spooled

    def _warn(self, message: str, *values: object) -> None:
        """Log an error at most once a minute; the observer hears every one."""
        if self._monotonic() - self._warned_at >= 60:
            self._warned_at = self._monotonic()
            log.error(message, *values)


def _check(answer: int) -> None:
    """Raises `RedisForgot` where that is what the script has answered."""
    if answer < 0:
        raise RedisForgot("it lost entries that it had acknowledged")


def _parameters(record: SpoolRecord, missing: int | None = None) -> tuple[Any, ...]:
    """Number of keys, keys and arguments of the script that adds; a live batch has no `missing`."""
    lane = redis_names.USAGE_CHANNEL + record.lane
    accepted = f"{redis_names.USAGE_ACCEPTED}{record.day}"
    values = record.source, record.number, record.total, int(record.possibly_duplicate), record.packed
    if missing is None:
        return 3, redis_names.USAGE, lane, accepted, *values
    return 4, redis_names.USAGE, lane, accepted, redis_names.USAGE_SPOOLED_ONLY, *values, missing
