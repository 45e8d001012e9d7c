"""Reconciliation: checks that every accepted event is accounted for.

Each number is counted at its source; none is derived from another:
- `accepted`: by the gateway workers, before anything is sent; the count travels to Redis with each batch. Events that
  two workers accepted under one id are subtracted once.
- `written`: rows of the table; and, separately, calls in the roll-ups.
- `waiting`: events in the usage stream.
- `spooled`: events that only the spools of the workers have, as they report.
- `dead_lettered`: events in the dead letters, and those that an operator dropped from there.

Events move from Redis to ClickHouse while they are counted, so counting is repeated until the numbers agree. If they do
not agree in time, they are counted in both directions. Counting from ClickHouse back to Redis counts no event twice;
counting from Redis on to ClickHouse misses none. It is an error if the first count is above the accepted events, or the
second one below.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from gateway.redis import names as redis_names
from gateway.timestamps import DAY_MS
from gateway.usage.consumer.dead_letters import DeadLetters
from gateway.usage.event import COUNT_EVENTS_LUA, EPOCH
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.roll_up import repair_sums
from gateway.usage.store.table import UsageTable

MAX_RECONCILED_DAYS = 365
PATIENCE = 3.0
"""Seconds after which events in flight have arrived or are in a spool; the reply time-out of Redis is two."""
_POLL_SECONDS = 0.2
MONITOR_SECONDS = 300.0
MONITOR_DAYS = 2

# KEYS: the usage stream, the events that only spools have by process, the duplicates by day, the accepted counters of
# each day. ARGV: the first entry id to count, the first day. Returns the number of events, and the last entry id if
# there may be more; at the end of the stream an empty id, the spooled events, and the accepted events.
_COUNT_IN_REDIS = (
    COUNT_EVENTS_LUA
    + """
local found, events = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 500), 0
for _, entry in ipairs(found) do
  if entry[2][1] == 'e' then events = events + count_events(entry[2][2]) end
end
if #found == 500 then return {events, found[500][1]} end
local spooled, accepted = 0, 0
for _, number in ipairs(redis.call('HVALS', KEYS[2])) do spooled = spooled + number end
local duplicates = redis.call('HGETALL', KEYS[3])
for i = 1, #duplicates, 2 do
  if tonumber(duplicates[i]) >= tonumber(ARGV[2]) then accepted = accepted - duplicates[i + 1] end
end
for i = 4, #KEYS do
  for _, number in ipairs(redis.call('HVALS', KEYS[i])) do accepted = accepted + number end
end
return {events, '', spooled, accepted}
"""
)

log = logging.getLogger(__name__)


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """The events of the last `days` days (UTC), today included. Balanced: `accepted` is the sum of the next four."""

    days: int
    since: str
    """The first of these days."""
    accepted: int
    written: int
    waiting: int
    spooled: int
    dead_lettered: int
    dropped: int
    """The part of `dead_lettered` that an operator dropped."""
    summed: int
    """Calls in the roll-ups that statistics are read from; equal to `written`."""
    balanced: bool

    @property
    def difference(self) -> int:
        """Accepted events that are not found; negative if more are found than accepted."""
        return self.accepted - self.written - self.waiting - self.spooled - self.dead_lettered


class _Counts(msgspec.Struct, kw_only=True):
    accepted: int = 0
    written: int = 0
    summed: int = 0
    waiting: int = 0
    spooled: int = 0
    dead: int = 0
    dropped: int = 0

    @property
    def found(self) -> int:
        return self.written + self.waiting + self.spooled + self.dead + self.dropped

    @property
    def found_by_sums(self) -> int:
        return self.found - self.written + self.summed


async def reconcile(
    redis: redis.asyncio.Redis, table: UsageTable, days: int = 30, patience: float = PATIENCE
) -> Balance:
    """Count the events of the last `days` days, limited by the retention, and compare.

    Repeats for up to `patience` seconds until the numbers agree. Raises `ValueError` for an invalid number of days,
    `UsageTableUnavailable`, and what the Redis client raises.
    """
    if not 1 <= days <= MAX_RECONCILED_DAYS:
        raise ValueError(f"days must be between 1 and {MAX_RECONCILED_DAYS}")
    since = max(table.today - datetime.timedelta(days=days - 1), table.first_day or datetime.date.min)
    counter = _EventCounter(redis, table, since)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        counts = await counter.count(_FROM_CLICKHOUSE_TO_REDIS)
        is_balanced = counts.accepted == counts.found == counts.found_by_sums
        if is_balanced:
            break
        if loop.time() >= deadline:
            upper = await counter.count(_FROM_REDIS_TO_CLICKHOUSE)
            is_balanced = (
                max(counts.found, counts.found_by_sums) <= counts.accepted <= min(upper.found, upper.found_by_sums)
            )
            break
        await asyncio.sleep(_POLL_SECONDS)
    return Balance(
        days=days,
        since=since.isoformat(),
        accepted=counts.accepted,
        written=counts.written,
        waiting=counts.waiting,
        spooled=counts.spooled,
        dead_lettered=counts.dead + counts.dropped,
        dropped=counts.dropped,
        summed=counts.summed,
        balanced=is_balanced,
    )


async def monitor_balance(
    redis: redis.asyncio.Redis,
    table: UsageTable,
    report: Callable[[Balance], Awaitable[None]],
    is_enabled: Callable[[], bool],
    *,
    seconds: float = MONITOR_SECONDS,
    patience: float = PATIENCE,
) -> None:
    """Reconcile the last days every `seconds`, while `is_enabled`, and report each result. Runs until cancelled.

    Repairs roll-ups that differ from the rows, before it reports.
    """
    while True:
        await asyncio.sleep(seconds)
        if not is_enabled():
            continue
        try:
            await report(await _repaired_balance(redis, table, patience))
        except (UsageTableUnavailable, RedisError, OSError) as error:
            # The usage writer reports errors of Redis and ClickHouse.
            log.debug("usage was not reconciled: %s", error)


async def _repaired_balance(redis: redis.asyncio.Redis, table: UsageTable, patience: float) -> Balance:
    # Usually one count in each direction is enough, and waiting for events in flight would need many.
    balance = await reconcile(redis, table, MONITOR_DAYS, patience=0)
    if not balance.balanced:
        balance = await reconcile(redis, table, MONITOR_DAYS, patience)
    if not balance.balanced and await repair_sums(table, datetime.date.fromisoformat(balance.since)):
        balance = await reconcile(redis, table, MONITOR_DAYS, patience)
    return balance


class BalanceReporter:
    """Reports balances to the metrics, and differences to the log."""

    def __init__(self, metrics: UsageMetricsSink, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._logged: tuple[int, float] | None = None
        """The difference that was logged last, and when."""

    def report(self, balance: Balance) -> None:
        """Report a balance; the same difference is logged once in `MONITOR_SECONDS`."""
        difference = 0 if balance.balanced else balance.difference or balance.written - balance.summed
        self._metrics.unbalanced(difference)
        if balance.balanced:
            self._logged = None
            return
        now = self._monotonic()
        if self._logged is not None and self._logged[0] == difference and now < self._logged[1] + MONITOR_SECONDS:
            return
        self._logged = difference, now
        log.error(
            "usage does not balance since %s: %d accepted; %d written (%d in the roll-ups), %d waiting, "
            "%d spooled, %d dead letters",
            *(balance.since, balance.accepted, balance.written, balance.summed, balance.waiting),
            *(balance.spooled, balance.dead_lettered),
        )


class _EventCounter:
    """Counts events at each place of the pipeline."""

    def __init__(self, redis: redis.asyncio.Redis, table: UsageTable, since: datetime.date) -> None:
        self._redis = redis
        self._table = table
        self._dead_letters = DeadLetters(redis)
        self._since = since
        self._first_day = (since - EPOCH).days

    async def count(self, places: tuple[_Place, ...]) -> _Counts:
        """Count at each place, in this order."""
        counts = _Counts()
        for place in places:
            await place(self, counts)
        return counts

    async def written(self, counts: _Counts) -> None:
        since = {"since": self._since}
        rows = await self._table.query_async(
            f"SELECT (SELECT count() FROM {LOG_TABLE} WHERE created_at >= toDateTime64({{since:Date}}, 3, 'UTC')), "  # noqa: S608
            f"(SELECT sum(calls + denied) FROM {QUARTER_HOURLY_TABLE} "
            "WHERE since >= toDateTime({since:Date}, 'UTC')), "
            f"(SELECT sum(calls + denied) FROM {BY_DIMENSION_TABLE} "
            "WHERE dimension = 'total' AND since >= toDateTime({since:Date}, 'UTC'))",
            since,
        )
        counts.written, quarters, totals = rows[0]
        counts.summed = totals if quarters == counts.written else quarters

    async def in_redis(self, counts: _Counts) -> None:
        """Count waiting, spooled and accepted events, the latter two in the script that reads the end of the stream."""
        today = (self._table.today - EPOCH).days
        accepted = [f"{redis_names.USAGE_ACCEPTED}{day}" for day in range(self._first_day, today + 2)]
        keys = (redis_names.USAGE, redis_names.USAGE_SPOOLED_ONLY, redis_names.USAGE_DUPLICATES, *accepted)
        start = str(self._first_day * DAY_MS)
        while True:
            events, last, *others = await self._redis.eval(_COUNT_IN_REDIS, len(keys), *keys, start, self._first_day)
            counts.waiting += events
            if others:
                counts.spooled, counts.accepted = others
                return
            start = f"({last.decode()}"

    async def dead_lettered(self, counts: _Counts) -> None:
        async for letter in self._dead_letters.all(self._first_day * DAY_MS):
            counts.dead += letter.count if letter.day >= self._first_day else 0

    async def dropped(self, counts: _Counts) -> None:
        counts.dropped = await self._dead_letters.dropped(self._first_day)


_Place = Callable[[_EventCounter, _Counts], Awaitable[None]]
_FROM_CLICKHOUSE_TO_REDIS: tuple[_Place, ...] = (
    *(_EventCounter.dropped, _EventCounter.dead_lettered),
    *(_EventCounter.written, _EventCounter.in_redis),
)
_FROM_REDIS_TO_CLICKHOUSE: tuple[_Place, ...] = tuple(reversed(_FROM_CLICKHOUSE_TO_REDIS))
