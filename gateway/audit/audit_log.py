"""Entries of acts that change no key and no user: logins, exports, denied acts.

- An entry is added before the act is answered. If Redis is unavailable, adding raises, and the act fails: no act
  without its entry. Unlike changes of keys and users it does not wait until Redis has the entry on disk.
- Acts that strangers can repeat are bounded (`record_repeatable`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio import Redis

from gateway.audit.author import Act, Author, packed_entry
from gateway.audit.entry import STREAM_FIELD, Result
from gateway.redis import names

REPEATED_PER_SOURCE = 20
"""Entries of one act from one source in a minute that are all recorded; then each time their number has doubled."""
REPEATED_IN_ALL = 300
"""The same, from all sources together."""
_MINUTE_MS = 60_000
_NOBODY = Author("", "")


class AuditLog:
    """Adds entries. Every method raises `redis.exceptions.RedisError` if Redis is unavailable."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], author: Author = _NOBODY) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._author = author

    def by(self, author: Author) -> AuditLog:
        """Return the same log for acts of this author."""
        return AuditLog(self._redis, now_ms=self._now_ms, author=author)

    async def record(
        self,
        act: str,
        object_: str = "",
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        result: Result = "ok",
    ) -> None:
        """Add an entry of an act of the author."""
        entry = packed_entry(Act(self._author, act), object_, before or {}, after or {}, self._now_ms(), result)
        await self._redis.xadd(names.USAGE, {STREAM_FIELD: entry})

    async def record_repeatable(
        self, source: str, act: str, object_: str = "", *, after: Mapping[str, Any] | None = None, result: Result
    ) -> None:
        """Add an entry of an act that somebody may repeat without end, unless `source` did so too often in this minute.

        Beyond the bounds an entry is added each time the number has doubled, and has the numbers of this minute.
        """
        minute = self._now_ms() // _MINUTE_MS
        windows = (
            f"{names.REPEATED_ACTS}{minute}:{names.digest(act, source)}",
            f"{names.REPEATED_ACTS}{minute}:{act}",
        )
        async with self._redis.pipeline(transaction=True) as pipe:
            for window in windows:
                pipe.incr(window)
                pipe.pexpire(window, 2 * _MINUTE_MS)
            counts: list[int] = (await pipe.execute())[::2]
        of_source, in_all = counts
        if _is_recorded(of_source, REPEATED_PER_SOURCE) and _is_recorded(in_all, REPEATED_IN_ALL):
            is_beyond = of_source > REPEATED_PER_SOURCE or in_all > REPEATED_IN_ALL
            numbers = {"in_this_minute": of_source, "from_all_sources": in_all} if is_beyond else {}
            await self.record(act, object_, after={**(after or {}), **numbers}, result=result)


def _is_recorded(count: int, bound: int) -> bool:
    """Return True up to the bound, and for its multiples by powers of two."""
    multiple, rest = divmod(count, bound)
    return count <= bound or (rest == 0 and multiple & (multiple - 1) == 0)
