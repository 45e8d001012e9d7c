"""A lease in Redis: one of several processes does a job at a time.

The holder renews it periodically; when it stops, another process gets it after `seconds`. A process that was suspended
may briefly believe that it still holds the lease. Where two holders must never act at a time, the script that acts
also checks the lease. A lost lease is never renewed, only acquired again, so that its holder learns of the gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis.asyncio

# KEYS: the lease. ARGV: the holder, the time to live in milliseconds. Returns 1 if the holder still has the lease.
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
# KEYS: the lease. ARGV: the holder.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0"


class LeaseLost(Exception):
    """Another process has the lease."""


class Lease:
    """The lease, as one process holds or requests it. Methods raise what the Redis client raises."""

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
        """True if no other process can have the lease, by this process's clock."""
        return self._monotonic() < self._valid_until

    async def acquire(self) -> bool:
        """Take the lease if it is free. Return True if it is held now."""
        requested_at = self._monotonic()
        taken = await self._redis.set(self.name, self.holder, nx=True, px=self._milliseconds)
        return self._update(bool(taken), requested_at) or await self.renew()

    async def renew(self) -> bool:
        """Extend the lease if it is held. Return True if it is still held."""
        requested_at = self._monotonic()
        kept = await self._redis.eval(_RENEW, 1, self.name, self.holder, self._milliseconds)
        return self._update(bool(kept), requested_at)

    async def release(self) -> None:
        """Give the lease up, so that another process need not wait until it expires."""
        self._valid_until = float("-inf")
        await self._redis.eval(_RELEASE, 1, self.name, self.holder)

    @property
    def _milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def _update(self, held: bool, requested_at: float) -> bool:
        # Counted from before the request: Redis starts the lease's life later than that.
        self._valid_until = requested_at + self.seconds if held else float("-inf")
        return held
