"""Slowing down wrong logins: sources, and accounts under attack."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from gateway.accounts.login_limits import LoginLimits, Slowdown, TooManyLogins
from gateway.accounts.passwords import Passwords
from gateway.accounts.users import UserStore
from tests.support.clock import Clock

ONE = Slowdown(free=1, window_seconds=60, first_wait=5, longest_wait=60)
ACCOUNT = "ada@example.com"


@pytest.fixture
def limits(redis: redis.asyncio.Redis, clock: Clock) -> LoginLimits:
    return LoginLimits(redis, now_ms=clock.now_ms)


async def fail(limits: LoginLimits, account: str, address: str) -> None:
    await limits.failed(await limits.acquire(account, address))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "", True),
    ],
)
async def test_ipv6_addresses_of_one_network_are_one_source(
    redis: redis.asyncio.Redis, clock: Clock, first: str, second: str, same: bool
) -> None:
    limits = LoginLimits(redis, now_ms=clock.now_ms, per_source=ONE)
    await limits.acquire("a@x.org", first)
    if same:
        with pytest.raises(TooManyLogins):
            await limits.acquire("b@x.org", second)
    else:
        await limits.acquire("b@x.org", second)


async def test_concurrent_attempts_do_not_exceed_the_free_ones(limits: LoginLimits) -> None:
    results = await asyncio.gather(*(limits.acquire(ACCOUNT, "192.0.2.1") for _ in range(25)), return_exceptions=True)
    assert sum(isinstance(result, TooManyLogins) for result in results) == 15


async def test_an_attempt_knows_the_wait_that_follows_if_it_is_wrong(limits: LoginLimits) -> None:
    attempts = [await limits.acquire(ACCOUNT, "192.0.2.1") for _ in range(10)]
    assert [attempt.wait_after_failure for attempt in attempts] == [0] * 9 + [5]


async def test_an_attempt_that_could_not_be_checked_does_not_count(limits: LoginLimits) -> None:
    for _ in range(40):
        await limits.withdraw(await limits.acquire(ACCOUNT, "192.0.2.1"))


async def test_the_waits_end_with_the_window(limits: LoginLimits, clock: Clock) -> None:
    for _ in range(10):
        await fail(limits, ACCOUNT, "192.0.2.1")
    clock.advance(901)
    for _ in range(10):
        await fail(limits, ACCOUNT, "192.0.2.1")
    with pytest.raises(TooManyLogins):
        await limits.acquire(ACCOUNT, "192.0.2.1")


async def test_ten_wrong_logins_in_a_minute_from_any_sources_are_an_attack(
    redis: redis.asyncio.Redis, limits: LoginLimits, clock: Clock, cheap_passwords: Passwords
) -> None:
    await UserStore(redis, now_ms=clock.now_ms, passwords=cheap_passwords).add(ACCOUNT, "correct horse battery")
    start = clock.now_ms()
    for number in range(10):
        assert await limits.accounts_under_attack(start) == []
        await fail(limits, ACCOUNT, f"192.0.2.{number}")
        await fail(limits, "nobody@example.com", f"192.0.2.{number}")
        clock.advance(5)
    ((email, at),) = await limits.accounts_under_attack(start)
    assert (email, at) == (ACCOUNT, start + 45_000)
    assert await limits.accounts_under_attack(at + 1) == []


async def test_ten_wrong_logins_in_more_than_a_minute_are_no_attack(
    redis: redis.asyncio.Redis, limits: LoginLimits, clock: Clock, cheap_passwords: Passwords
) -> None:
    await UserStore(redis, now_ms=clock.now_ms, passwords=cheap_passwords).add(ACCOUNT, "correct horse battery")
    start = clock.now_ms()
    for number in range(20):
        await fail(limits, ACCOUNT, f"192.0.2.{number}")
        clock.advance(7)
    assert await limits.accounts_under_attack(start) == []
