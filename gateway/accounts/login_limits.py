"""Slows down the guessing of passwords without locking anybody out.

- Wrong logins are counted per source, and per pair of account and source. From a number on, each further one doubles
  the time until the next attempt. From other sources, the right password of the account still works.
- A source is a client address, or the /64 network of an IPv6 address: a client usually controls all of it.
- The counts are in Redis, so they hold across processes and restarts. They are the same for unknown emails.
- An attempt counts as wrong until its password is checked, so concurrent attempts are slowed down too. A rejected
  attempt does not count.
- Wrong logins are also counted per account over all sources, which slows down nothing but is reported: see
  `accounts_under_attack`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from redis.asyncio import Redis

from gateway.protocol.forwarded import source_of
from gateway.redis import names as redis_names

ATTACK_WINDOW_SECONDS = 60
ATTACK_FAILURES = 10
"""Wrong logins on one account within `ATTACK_WINDOW_SECONDS`, over all sources, that count as an attack."""
MAX_COUNTED_FAILURES = 1000
MAX_ATTACKED_ACCOUNTS = 10_000
ATTACK_MEMORY_SECONDS = 600
"""Seconds for which `accounts_under_attack` knows an attack that has ended."""

# KEYS: the windows. ARGV: the attempt, the time, and for each window: its length, the free failures, the first and the
# longest wait. Times are in milliseconds. Returns the remaining wait and, if it is 0, the wait if this attempt fails.
_ACQUIRE = """
local attempt, now = ARGV[1], tonumber(ARGV[2])
local function delay(count, free, first, longest)
  if count < free then return 0 end
  return math.min(longest, first * 2 ^ math.min(count - free, 30))
end
local wait, next_wait = 0, 0
for index, window in ipairs(KEYS) do
  local length, free, first, longest = unpack(ARGV, 4 * index - 1, 4 * index + 2)
  redis.call('ZREM', window, attempt)
  redis.call('ZREMRANGEBYSCORE', window, '-inf', now - length)
  local count = redis.call('ZCARD', window)
  local newest = redis.call('ZRANGE', window, -1, -1, 'WITHSCORES')[2]
  if newest then
    wait = math.max(wait, newest + delay(count, tonumber(free), tonumber(first), tonumber(longest)) - now)
  end
  next_wait = math.max(next_wait, delay(count + 1, tonumber(free), tonumber(first), tonumber(longest)))
end
if wait > 0 then return {wait, 0} end
for index, window in ipairs(KEYS) do
  redis.call('ZADD', window, now, attempt)
  redis.call('PEXPIRE', window, ARGV[4 * index - 1])
end
return {0, next_wait}
"""
# KEYS: the wrong logins of the account, the attacked accounts. ARGV: the attempt, the time, the account, and the
# constants of this module, with times in milliseconds.
_COUNT_FAILURE = """
local now = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then
  redis.call('ZADD', KEYS[2], now, ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[8])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[7])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
"""


class Slowdown(NamedTuple):
    """The wait after wrong logins: none for `free` of them within the window, then `first_wait`, then double."""

    free: int
    window_seconds: int
    first_wait: int
    longest_wait: int


PER_ACCOUNT_AND_SOURCE = Slowdown(free=10, window_seconds=900, first_wait=5, longest_wait=300)
PER_SOURCE = Slowdown(free=30, window_seconds=300, first_wait=5, longest_wait=60)


class LoginAttempt(NamedTuple):
    """A login attempt that counts as wrong until `succeeded` or `withdraw`."""

    id: str
    account: str
    windows: tuple[str, str]
    """The Redis keys of the windows of the pair and of the source."""
    wait_after_failure: int
    """Seconds until the next attempt if this one fails; 0 if it is not slowed down."""


class AttackedAccount(NamedTuple):
    """An account with `ATTACK_FAILURES` wrong logins in a minute, and the time of the last one in milliseconds."""

    email: str
    at: int


class TooManyLogins(Exception):
    """Too many wrong logins from this source; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failed logins; retry after {retry_after} s")
        self.retry_after = retry_after


class LoginLimits:
    """Counts wrong logins and slows down further attempts."""

    def __init__(
        self,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        per_account_and_source: Slowdown = PER_ACCOUNT_AND_SOURCE,
        per_source: Slowdown = PER_SOURCE,
    ) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._slowdowns = (per_account_and_source, per_source)

    async def acquire(self, account: str, address: str) -> LoginAttempt:
        """Count an attempt as wrong. Raises `TooManyLogins` if it comes too early; then it is not counted."""
        source = source_of(address)
        windows = (
            f"{redis_names.LOGIN_ATTEMPTS}pair:{source} {account}",
            f"{redis_names.LOGIN_ATTEMPTS}source:{source}",
        )
        attempt = secrets.token_hex(8)
        limits = [
            value
            for free, window, first, longest in self._slowdowns
            for value in (window * 1000, free, first * 1000, longest * 1000)
        ]
        result = await self._redis.eval(_ACQUIRE, 2, *windows, attempt, self._now_ms(), *limits)
        wait, next_wait = cast(list[int], result)
        if wait:
            raise TooManyLogins(-(-wait // 1000))
        return LoginAttempt(attempt, account, windows, next_wait // 1000)

    async def succeeded(self, attempt: LoginAttempt) -> None:
        """Forget the attempt, and the earlier wrong ones of the same account and source."""
        pair, source = attempt.windows
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(pair)
            pipe.zrem(source, attempt.id)
            await pipe.execute()

    async def failed(self, attempt: LoginAttempt) -> None:
        """Count a wrong login on the account, over all sources."""
        keys = (redis_names.WRONG_LOGINS + attempt.account, redis_names.ATTACKED_ACCOUNTS)
        await self._redis.eval(
            _COUNT_FAILURE,
            len(keys),
            *keys,
            *(attempt.id, self._now_ms(), attempt.account, ATTACK_WINDOW_SECONDS * 1000, ATTACK_FAILURES),
            *(MAX_COUNTED_FAILURES, MAX_ATTACKED_ACCOUNTS, ATTACK_MEMORY_SECONDS * 1000),
        )

    async def withdraw(self, attempt: LoginAttempt) -> None:
        """Stop counting an attempt whose password could not be checked."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for window in attempt.windows:
                pipe.zrem(window, attempt.id)
            await pipe.execute()

    async def accounts_under_attack(self, since_ms: int) -> Sequence[AttackedAccount]:
        """Return the existing accounts that were attacked at or after this time, at most `ATTACK_MEMORY_SECONDS` ago.

        An account is in the result as soon as it had `ATTACK_FAILURES` wrong logins in a minute.
        """
        found = await self._redis.zrangebyscore(redis_names.ATTACKED_ACCOUNTS, since_ms, "+inf", withscores=True)
        accounts = [AttackedAccount(email.decode(), int(at)) for email, at in cast(list[tuple[bytes, float]], found)]
        if not accounts:
            return []
        stored = await self._redis.mget([redis_names.USER_RECORD + account.email for account in accounts])
        return [account for account, user in zip(accounts, stored, strict=True) if user is not None]
