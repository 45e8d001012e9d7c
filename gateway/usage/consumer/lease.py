"""A lease in Redis: of several processes that could do a work, one does it.

The holder renews it all the time; when that stops, another gets it after `seconds`. A process that was
stopped and wakes up may believe for a moment that it still holds it, so that whoever must not be two at
once checks the lease in the same script as the act. A lease that was lost is never renewed, only acquired
anew, so that its holder always learns of the gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis.asyncio

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """One process's claim to a lease."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        name: str,
        holder: str,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.holder = holder
        self.seconds = seconds
        self._redis = redis
        self._monotonic = monotonic
        self._valid_until = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether it is certain by this process's clock that nobody else has the lease."""
        return self._monotonic() < self._valid_until

    async def acquire(self) -> bool:
        """Take the lease if nobody else has it; whether it is held now. Raises what the Redis client
        raises.
        """
        asked_at = self._monotonic()
        taken = await self._redis.set(self.name, self.holder, nx=True, px=self._milliseconds)
        return self._learned(bool(taken), asked_at) or await self.renew()

    async def renew(self) -> bool:
        """Keep a lease that is held; whether it still is. Raises what the Redis client raises."""
        asked_at = self._monotonic()
        kept = await self._redis.eval(_RENEW, 1, self.name, self.holder, self._milliseconds)
        return self._learned(bool(kept), asked_at)

    async def release(self) -> None:
        """Give the lease up, so that another need not wait."""
        self._valid_until = float("-inf")
        await self._redis.eval(_RELEASE, 1, self.name, self.holder)

    @property
    def _milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def _learned(self, held: bool, asked_at: float) -> bool:
        self._valid_until = asked_at + self.seconds if held else float("-inf")
        return held
