"""How often a login may fail, per account and per client address.

- A sliding window in Redis, so that the limit holds across processes and restarts.
- An attempt is counted before its password is checked (many at once cannot slip through) and given back when
  it was right, so that only failures count.
- A refused attempt does not lengthen the wait, and one set never holds more than the limit and what
  is in flight.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from typing import NamedTuple

from redis.asyncio import Redis

from gateway.redis import names as redis_names

WINDOW_SECONDS = 60
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 30


class Attempt(NamedTuple):
    """One login that is under way."""

    identity: str
    names: tuple[str, ...]


class TooManyLogins(Exception):
    """This account or address has failed too often; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed logins; retry after {retry_after} s")
        self.retry_after = retry_after


class LoginLimits:
    """Counts failed logins."""

    def __init__(
        self,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        per_account: int = FAILURES_PER_ACCOUNT,
        per_address: int = FAILURES_PER_ADDRESS,
        window_seconds: int = WINDOW_SECONDS,
    ) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._per_account = per_account
        self._per_address = per_address
        self._window_ms = window_seconds * 1000

    async def begin(self, account: str, address: str) -> Attempt:
        """Count an attempt as failed for now. Raises `TooManyLogins`, which counts nothing."""
        limits = {
            f"{redis_names.LOGIN_ATTEMPTS}account:{account}": self._per_account,
            f"{redis_names.LOGIN_ATTEMPTS}address:{_network(address)}": self._per_address,
        }
        attempt = Attempt(secrets.token_hex(8), tuple(limits))
        now = self._now_ms()
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in attempt.names:
                pipe.zremrangebyscore(name, "-inf", now - self._window_ms)
                pipe.zadd(name, {attempt.identity: now})
                pipe.pexpire(name, self._window_ms)
                pipe.zcard(name)
                pipe.zrange(name, 0, 0, withscores=True)
            replies = await pipe.execute()
        waits = [
            oldest[0][1] + self._window_ms - now
            for limit, count, oldest in zip(limits.values(), replies[3::5], replies[4::5], strict=True)
            if count > limit
        ]
        if waits:
            await self.give_back(attempt)
            raise TooManyLogins(max(1, -int(-max(waits) // 1000)))
        return attempt

    async def give_back(self, attempt: Attempt) -> None:
        """Forget an attempt that was no failure."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in attempt.names:
                pipe.zrem(name, attempt.identity)
            await pipe.execute()


def _network(address: str) -> str:
    """An IPv6 client usually owns its whole /64, so that is what is counted."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
