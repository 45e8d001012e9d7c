"""Limits on how many keys and users somebody creates in a minute.

A minute is a minute of the clock, and the counts are in Redis, so the limit holds over all admin processes. What is
refused for another reason counts, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from redis.asyncio import Redis

from gateway.redis import names as redis_names

CREATIONS_PER_MINUTE = 300
"""Keys, and users, that one user may create."""
_MINUTE_MS = 60_000


class TooManyCreations(Exception):
    """This user has created too many of a kind in this minute; `retry_after` is in seconds."""

    def __init__(self, kind: str, retry_after: int) -> None:
        super().__init__(f"too many {kind} created; retry after {retry_after} s")
        self.kind = kind
        self.retry_after = retry_after


class CreationLimits:
    """Counts creations by user and kind."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], per_minute: int = CREATIONS_PER_MINUTE) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._per_minute = per_minute

    async def acquire(self, actor: str, kind: Literal["keys", "users"], count: int = 1) -> None:
        """Count creations by this user. Raises `TooManyCreations` if the limit is exceeded."""
        minute, elapsed_ms = divmod(self._now_ms(), _MINUTE_MS)
        name = f"{redis_names.CREATIONS}{kind}:{minute}:{actor}"
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incrby(name, count)
            pipe.pexpire(name, 2 * _MINUTE_MS)
            total, _ = await pipe.execute()
        if total > self._per_minute:
            raise TooManyCreations(kind, -(-(_MINUTE_MS - elapsed_ms) // 1000))
