"""What counts as one address."""

from __future__ import annotations

import pytest
import redis.asyncio

from gateway.accounts.login_limits import LoginLimits, TooManyLogins
from tests.admin_api.support import Clock


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
async def test_an_ipv6_client_is_its_network(
    redis: redis.asyncio.Redis, clock: Clock, first: str, second: str, same: bool
) -> None:
    limits = LoginLimits(redis, now_ms=clock.now_ms, per_address=1)
    await limits.begin("a@x.org", first)
    if same:
        with pytest.raises(TooManyLogins):
            await limits.begin("b@x.org", second)
    else:
        await limits.begin("b@x.org", second)
