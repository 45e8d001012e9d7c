"""Whether every event that was accepted is somewhere: the books of usage, held against each other.

Each number is counted where it is, none is derived from another:
- accepted: by the gateway processes, before anything is sent; the count travels with each batch into Redis. Less what
  the writer found to have been accepted twice, by two processes under one id.
- written: the rows of the table; and once more, the calls in the sums by day.
- waiting: the events in the usage stream, one entry after another.
- spooled: what the processes say that only their spools have.
- dead_lettered: the events in the dead letters, and those that were dropped from there.

Everything is on its way while it is counted, so counting is repeated until the numbers agree. Where they never do in
time, it is done a last time in two ways: against the stream of events, which can count no event twice, and with it,
which can miss none. More than was accepted in the first, or less in the second, is a difference for certain.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from gateway.redis import names as redis_names
from gateway.usage.consumer.dead_letters import DeadLetters
from gateway.usage.event import COUNT_EVENTS_LUA, DAY_MS, EPOCH
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.roll_up import mend
from gateway.usage.store.table import DAILY_TABLE, LOG_TABLE, UsageTable

MAX_DAYS = 365
PATIENCE = 3.0
"""Seconds after which what was in flight has arrived, or is in a spool: Redis is given two to answer."""
_POLL = 0.2
WATCH_SECONDS = 300.0
WATCH_DAYS = 2

_COUNT = (
    COUNT_EVENTS_LUA
    + """
local found, events = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 500), 0
for _, entry in ipairs(found) do events = events + count_events(entry[2][2]) end
if #found == 500 then return {events, found[500][1]} end
local spooled, accepted = 0, 0
for _, number in ipairs(redis.call('HVALS', KEYS[2])) do spooled = spooled + number end
local known = redis.call('HGETALL', KEYS[3])
for i = 1, #known, 2 do
  if tonumber(known[i]) >= tonumber(ARGV[2]) then accepted = accepted - known[i + 1] end
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
    """Those of `dead_lettered` that an operator dropped."""
    summed: int
    """The calls that the sums by day have; they are as many as `written`."""
    balanced: bool

    @property
    def difference(self) -> int:
        """How many more were accepted than are found; negative for the opposite."""
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
    """Count the events of the last `days` days, or of those that are kept, and compare.

    Repeats for up to `patience` seconds until the numbers agree. Raises `ValueError` for a number of days that is
    none, `UsageTableUnavailable`, and what the Redis client raises.
    """
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"days must be between 1 and {MAX_DAYS}")
    since = max(table.today - datetime.timedelta(days=days - 1), table.first_day or datetime.date.min)
    books = _Books(redis, table, since)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        against = await books.count(_AGAINST_THE_STREAM)
        is_balanced = against.accepted == against.found == against.found_by_sums
        if is_balanced:
            break
        if loop.time() >= deadline:
            along = await books.count(_ALONG_THE_STREAM)
            is_balanced = (
                max(against.found, against.found_by_sums) <= against.accepted <= min(along.found, along.found_by_sums)
            )
            break
        await asyncio.sleep(_POLL)
    return Balance(
        days=days,
        since=since.isoformat(),
        accepted=against.accepted,
        written=against.written,
        waiting=against.waiting,
        spooled=against.spooled,
        dead_lettered=against.dead + against.dropped,
        dropped=against.dropped,
        summed=against.summed,
        balanced=is_balanced,
    )


async def monitor_balance(
    redis: redis.asyncio.Redis,
    table: UsageTable,
    metrics: UsageMetricsSink,
    is_wanted: Callable[[], bool],
    seconds: float = WATCH_SECONDS,
) -> None:
    """Reconcile the last days again and again, while `is_wanted`: put the sums by day right where they differ from the
    rows, and alarm of any other difference. Runs until cancelled.
    """
    while True:
        await asyncio.sleep(seconds)
        if not is_wanted():
            continue
        try:
            balance = await reconcile(redis, table, WATCH_DAYS)
            if not balance.balanced and await mend(table, datetime.date.fromisoformat(balance.since)):
                balance = await reconcile(redis, table, WATCH_DAYS)
        except (UsageTableUnavailable, RedisError, OSError) as error:
            # Whoever delivers says what is wrong with them.
            log.debug("usage was not reconciled: %s", error)
            continue
        metrics.unbalanced(0 if balance.balanced else balance.difference or balance.written - balance.summed)
        if not balance.balanced:
            log.error(
                "usage does not balance since %s: %d accepted; %d written (%d in the sums by day), %d waiting, "
                "%d spooled, %d dead letters",
                *(balance.since, balance.accepted, balance.written, balance.summed, balance.waiting),
                *(balance.spooled, balance.dead_lettered),
            )


class _Books:
    """Where events are counted, one place at a time."""

    def __init__(self, redis: redis.asyncio.Redis, table: UsageTable, since: datetime.date) -> None:
        self._redis = redis
        self._table = table
        self._letters = DeadLetters(redis)
        self._since = since
        self._first = (since - EPOCH).days

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
            f"(SELECT sum(calls) FROM {DAILY_TABLE} WHERE day >= {{since:Date}})",
            since,
        )
        counts.written, counts.summed = rows[0]

    async def in_redis(self, counts: _Counts) -> None:
        """What waits and is spooled and was accepted; the end of the stream and the others in the same moment."""
        today = (self._table.today - EPOCH).days
        accepted = [f"{redis_names.USAGE_ACCEPTED}{day}" for day in range(self._first, today + 2)]
        keys = (redis_names.USAGE, redis_names.USAGE_SPOOLED_ONLY, redis_names.USAGE_DUPLICATES, *accepted)
        start = str(self._first * DAY_MS)
        while True:
            events, last, *others = await self._redis.eval(_COUNT, len(keys), *keys, start, self._first)
            counts.waiting += events
            if others:
                counts.spooled, counts.accepted = others
                return
            start = f"({last.decode()}"

    async def dead(self, counts: _Counts) -> None:
        async for letter in self._letters.all(self._first * DAY_MS):
            counts.dead += letter.count if letter.day >= self._first else 0

    async def dropped(self, counts: _Counts) -> None:
        counts.dropped = await self._letters.dropped(self._first)


_Place = Callable[[_Books, _Counts], Awaitable[None]]
_AGAINST_THE_STREAM: tuple[_Place, ...] = (_Books.dropped, _Books.dead, _Books.written, _Books.in_redis)
_ALONG_THE_STREAM: tuple[_Place, ...] = (_Books.in_redis, _Books.written, _Books.dead, _Books.dropped)
