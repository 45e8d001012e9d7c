"""Limits on failed logins, per account and per client address.

- Sliding windows in Redis, so the limits hold across processes and restarts.
- An attempt is counted before its password is checked, so concurrent attempts cannot exceed the limit. A successful
  attempt is refunded, so only failures count.
- A rejected attempt does not extend the wait. A window holds at most the limit plus the attempts in flight.
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


class LoginAttempt(NamedTuple):
    """A login attempt that counts as failed until it is refunded."""

    id: str
    windows: tuple[str, ...]
    """The Redis keys of the windows in which it is counted."""


class TooManyLogins(Exception):
    """Too many failed logins of this account or from this address; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed logins; retry after {retry_after} s")
        self.retry_after = retry_after


class LoginLimits:
    """Counts failed logins and rejects further attempts."""

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

    async def acquire(self, account: str, address: str) -> LoginAttempt:
        """Count an attempt as failed. Raises `TooManyLogins` if a limit is reached; then the attempt is not counted."""
        limits = {
            f"{redis_names.LOGIN_ATTEMPTS}account:{account}": self._per_account,
            f"{redis_names.LOGIN_ATTEMPTS}address:{_network(address)}": self._per_address,
        }
        attempt = LoginAttempt(secrets.token_hex(8), tuple(limits))
        now = self._now_ms()
        async with self._redis.pipeline(transaction=True) as pipe:
            for window in attempt.windows:
                pipe.zremrangebyscore(window, "-inf", now - self._window_ms)
                pipe.zadd(window, {attempt.id: now})
                pipe.pexpire(window, self._window_ms)
                pipe.zcard(window)
                pipe.zrange(window, 0, 0, withscores=True)
            results = await pipe.execute()
        waits = [
            oldest[0][1] + self._window_ms - now
            for limit, count, oldest in zip(limits.values(), results[3::5], results[4::5], strict=True)
            if count > limit
        ]
        if waits:
            await self.refund(attempt)
            raise TooManyLogins(max(1, -int(-max(waits) // 1000)))
        return attempt

    async def refund(self, attempt: LoginAttempt) -> None:
        """Stop counting an attempt that did not fail."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for window in attempt.windows:
                pipe.zrem(window, attempt.id)
            await pipe.execute()


def _network(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address: a client usually controls all of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
