"""The dead letters: events that ClickHouse refused for their content, and what an operator does with them.

Rules:
- A letter leaves only by being retried or dropped, each in one script, so that one that is retried twice, because the
  answer was lost, is sent once.
- A retried event is marked as sent again: the writer asks the table for it before it inserts.
- What is dropped stays counted (`reconcile`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.event import DAY_MS, UsageEvent, unpack

_PAGE = 500

_RETRY = """
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'e', found[1][2][2], 'again', 1)
return redis.call('XDEL', KEYS[1], ARGV[1])
"""
_DROP = """
local dropped = redis.call('XDEL', KEYS[1], ARGV[1])
if dropped > 0 then redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3]) end
return dropped
"""


class Letter(msgspec.Struct, frozen=True):
    """One dead letter."""

    id: str
    at: int
    """When it was refused, in milliseconds since the epoch."""
    reason: str
    size: int
    """In bytes, packed."""
    events: tuple[UsageEvent, ...]
    """Usually one; none where it cannot be read."""

    @property
    def count(self) -> int:
        """How many events it stands for; one that cannot be read stands for one."""
        return max(1, len(self.events))

    @property
    def day(self) -> int:
        """The day on which its events are accounted for, counted from the epoch (UTC)."""
        return self.events[0].day if self.events else self.at // DAY_MS


class DeadLetters:
    """The dead letters of one gateway. Any method raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        self._redis = redis

    async def all(self, since: int = 0) -> AsyncIterator[Letter]:
        """Every letter that was refused at or after `since` (milliseconds since the epoch), the oldest first."""
        start = f"{max(0, since)}"
        while page := await self._range(start, "+", _PAGE):
            for entry_id, fields in page:
                yield _letter(entry_id, fields)
            start = f"({page[-1][0].decode()}"

    async def get(self, letter_id: str) -> Letter | None:
        """One letter. An id that is none counts as unknown."""
        time, _, number = letter_id.partition("-")
        if not (time.isdecimal() and number.isdecimal()):
            return None
        found = await self._range(letter_id, letter_id, 1)
        return _letter(*found[0]) if found else None

    async def retry(self, letters: Sequence[Letter]) -> int:
        """Put letters back into the usage stream; how many were still there."""
        names = (redis_names.USAGE_DEAD_LETTERS, redis_names.USAGE)
        return sum([int(await self._redis.eval(_RETRY, len(names), *names, letter.id)) for letter in letters])

    async def drop(self, letters: Sequence[Letter]) -> int:
        """Remove letters for good; how many were still there."""
        names = (redis_names.USAGE_DEAD_LETTERS, redis_names.USAGE_DROPPED_DEAD_LETTERS)
        dropped = 0
        for letter in letters:
            dropped += int(await self._redis.eval(_DROP, len(names), *names, letter.id, letter.day, letter.count))
        return dropped

    async def dropped(self, since_day: int) -> int:
        """How many events were dropped that were accounted for on or after a day."""
        by_day = await self._redis.hgetall(redis_names.USAGE_DROPPED_DEAD_LETTERS)
        return sum(int(events) for day, events in by_day.items() if int(day) >= since_day)

    async def _range(self, first: str, last: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = await self._redis.xrange(redis_names.USAGE_DEAD_LETTERS, min=first, max=last, count=count)
        return list(found)


def _letter(entry_id: bytes, fields: dict[bytes, bytes]) -> Letter:
    packed = fields.get(b"e", b"")
    try:
        events = unpack(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        events = ()
    text = entry_id.decode()
    reason = fields.get(b"reason", b"").decode("utf-8", "replace")
    return Letter(text, int(text.partition("-")[0]), reason, len(packed), events)
