"""Dead letters: events, and rows of other logs, that ClickHouse refused for their content.

Rules:
- A dead letter leaves only by being retried or dropped. Each is one script, so that a retry that is repeated after a
  lost reply adds one entry.
- A retried event is marked as possibly duplicate (field `again`): the writer looks it up before it inserts it.
- Dropped events stay in the reconciliation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.timestamps import DAY_MS
from gateway.usage.consumer.batch import content_field
from gateway.usage.event import UsageEvent, unpack
from gateway.usage.store.logs.log_table import LOGS

_PAGE = 500

# KEYS: the dead letters, the usage stream. ARGV: the entry id. Returns 1 if it moved the entry, 0 if there is none.
_RETRY = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', found[1][2][1], found[1][2][2], 'again', 1)
return redis.call('XDEL', KEYS[1], ARGV[1])
"""
# KEYS: the dead letters, the dropped events by day. ARGV: the entry id, the day, the number of its events. Returns 1 if
# it deleted the entry, 0 if there is none.
_DROP = """
local dropped = redis.call('XDEL', KEYS[1], ARGV[1])
if dropped > 0 then redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3]) end
return dropped
"""


class DeadLetter(msgspec.Struct, frozen=True):
    """One entry of the dead-letter stream."""

    id: str
    at: int
    """Time of the refusal, in milliseconds since the epoch."""
    reason: str
    size: int
    """Packed size in bytes."""
    events: tuple[UsageEvent, ...]
    """Usually one; none if it cannot be unpacked, and for rows of another log."""
    log: str = ""
    """The table of another log, such as `mcp_audit_log`; empty for usage events."""

    @property
    def count(self) -> int:
        """The number of its events, for reconciliation: 1 if it cannot be unpacked, 0 for rows of another log."""
        return 0 if self.log else max(1, len(self.events))

    @property
    def day(self) -> int:
        """The day on which reconciliation counts it, since the epoch (UTC)."""
        return self.events[0].day if self.events else self.at // DAY_MS


class DeadLetters:
    """The dead letters of one gateway. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis = redis

    async def all(self, since: int = 0) -> AsyncIterator[DeadLetter]:
        """Yield every dead letter refused at or after `since` (milliseconds since the epoch), the oldest first."""
        start = f"{max(0, since)}"
        while page := await self._range(start, "+", _PAGE):
            for entry_id, fields in page:
                yield _dead_letter(entry_id, fields)
            start = f"({page[-1][0].decode()}"

    async def page(self, after: str, limit: int) -> list[DeadLetter]:
        """Return at most `limit` dead letters after the one with this id, the oldest first."""
        return [_dead_letter(*found) for found in await self._range(f"({after}", "+", limit)]

    async def newest(self) -> DeadLetter | None:
        """Return the last dead letter; `None` if there is none."""
        found: Any = await self._redis.xrevrange(redis_names.USAGE_DEAD_LETTERS, count=1)
        return _dead_letter(*found[0]) if found else None

    async def length(self) -> int:
        """Return the number of dead letters."""
        return int(await self._redis.xlen(redis_names.USAGE_DEAD_LETTERS))

    async def get(self, letter_id: str) -> DeadLetter | None:
        """Return one dead letter; `None` for an unknown or malformed id."""
        time, _, number = letter_id.partition("-")
        if not (time.isdecimal() and number.isdecimal()):
            return None
        found = await self._range(letter_id, letter_id, 1)
        return _dead_letter(*found[0]) if found else None

    async def retry(self, letters: Sequence[DeadLetter]) -> int:
        """Move dead letters back into the usage stream. Return the number of those that were still there."""
        names = (redis_names.USAGE_DEAD_LETTERS, redis_names.USAGE)
        return sum([int(await self._redis.eval(_RETRY, len(names), *names, letter.id)) for letter in letters])

    async def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Delete dead letters. Return the number of those that were still there."""
        names = (redis_names.USAGE_DEAD_LETTERS, redis_names.USAGE_DROPPED_DEAD_LETTERS)
        dropped = 0
        for letter in letters:
            dropped += int(await self._redis.eval(_DROP, len(names), *names, letter.id, letter.day, letter.count))
        return dropped

    async def dropped(self, since_day: int) -> int:
        """Return the number of dropped events of a day (since the epoch) and later days."""
        by_day = await self._redis.hgetall(redis_names.USAGE_DROPPED_DEAD_LETTERS)
        return sum(int(events) for day, events in by_day.items() if int(day) >= since_day)

    async def _range(self, first: str, last: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = await self._redis.xrange(redis_names.USAGE_DEAD_LETTERS, min=first, max=last, count=count)
        return list(found)


def _dead_letter(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    text = entry_id.decode()
    at = int(text.partition("-")[0])
    reason = fields.get(b"reason", b"").decode("utf-8", "replace")
    field = content_field(fields)
    packed = fields.get(field, b"")
    if field in LOGS:
        return DeadLetter(text, at, reason, len(packed), (), LOGS[field].name)
    try:
        events = unpack(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        events = ()
    return DeadLetter(text, at, reason, len(packed), events)
