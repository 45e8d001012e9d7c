"""Limits on failed logins: which addresses are counted together."""

from __future__ import annotations

import pytest
import redis.asyncio

from gateway.accounts.login_limits import LoginLimits, TooManyLogins
from tests.support.clock import Clock


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
async def test_ipv6_addresses_of_one_network_are_counted_together(
    redis: redis.asyncio.Redis, clock: Clock, first: str, second: str, same: bool
) -> None:
    limits = LoginLimits(redis, now_ms=clock.now_ms, per_address=1)
    await limits.acquire("a@x.org", first)
    if same:
        with pytest.raises(TooManyLogins):
            await limits.acquire("b@x.org", second)
    else:
        await limits.acquire("b@x.org", second)
