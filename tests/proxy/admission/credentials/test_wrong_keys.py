"""Wrong API keys are limited by source; good keys are not."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.keys.changes import OPERATOR
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.credentials import wrong_keys
from gateway.proxy.admission.credentials.wrong_keys import MAX_PER_MINUTE, MAX_PER_SLOT, SLOT_SECONDS, WrongKeys
from gateway.proxy.admission.rejections import NO_KEY, bad_key
from gateway.proxy.clock import Clock as ProxyClock
from gateway.redis.client import connect
from tests.support.clock import Clock
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.ports import free_port
from tests.support.scripted_upstream import ScriptedUpstream

WRONG = bad_key("unknown")


@pytest.fixture
def clock() -> Clock:
    """A clock at the beginning of a slot."""
    clock = Clock()
    clock.advance(SLOT_SECONDS - clock.now_ms() / 1000 % SLOT_SECONDS)
    return clock


def counter(redis: Redis, clock: Clock) -> WrongKeys:
    return WrongKeys(redis, ProxyClock(clock.now_ms, clock.monotonic))


async def answered(keys: WrongKeys, times: int, address: str = "192.0.2.1") -> int:
    """Send wrong keys; return how many were not answered 429."""
    return sum([(await keys.throttled(WRONG, address)) is WRONG for _ in range(times)])


async def wait_of(keys: WrongKeys, address: str = "192.0.2.1") -> int:
    """Return the `Retry-After` of a wrong key that is 429."""
    deny = await keys.throttled(WRONG, address)
    assert (deny.status, deny.reason) == (429, "wrong_keys")
    assert deny.retry_after is not None
    return deny.retry_after


async def test_in_any_minute_and_in_a_burst_a_bounded_number_of_wrong_keys_is_answered(
    redis: Redis, clock: Clock
) -> None:
    keys = counter(redis, clock)
    assert await answered(keys, 2 * MAX_PER_SLOT) == MAX_PER_SLOT
    assert 1 <= await wait_of(keys) <= SLOT_SECONDS + 1
    # A millisecond more, since sums of seconds are rounded.
    clock.advance(SLOT_SECONDS + 0.001)
    assert await answered(keys, 2 * MAX_PER_SLOT) == MAX_PER_MINUTE - MAX_PER_SLOT
    seconds = await wait_of(keys)
    assert 40 <= seconds <= 61
    clock.advance(seconds - 5)
    assert await answered(keys, 10) == 0
    clock.advance(5)
    assert await answered(keys, 2 * MAX_PER_SLOT) == MAX_PER_SLOT


async def test_a_steady_rate_below_the_limit_is_never_refused(redis: Redis, clock: Clock) -> None:
    keys = counter(redis, clock)
    for _ in range(30):
        assert await answered(keys, MAX_PER_MINUTE // 7) == MAX_PER_MINUTE // 7
        clock.advance(SLOT_SECONDS)


async def test_all_workers_count_together(redis: Redis, clock: Clock) -> None:
    workers = [counter(redis, clock) for _ in range(4)]
    counts = await asyncio.gather(*(answered(worker, 40) for worker in workers))
    assert sum(counts) == MAX_PER_SLOT


async def test_sources_are_addresses_and_networks_of_ipv6(redis: Redis, clock: Clock) -> None:
    keys = counter(redis, clock)
    assert await answered(keys, MAX_PER_SLOT, "2001:db8:0:1::1") == MAX_PER_SLOT
    assert await answered(keys, 1, "2001:db8:0:1:ffff::2") == 0
    assert await answered(keys, 1, "2001:db8:0:2::1") == 1
    assert await answered(keys, 1, "192.0.2.9") == 1
    assert await answered(keys, 1, "") == 1


async def test_only_keys_that_nobody_has_are_counted(redis: Redis, clock: Clock) -> None:
    keys = counter(redis, clock)
    for deny in (*map(bad_key, ("revoked", "suspended", "expired", "scheme")), NO_KEY):
        for _ in range(2 * MAX_PER_MINUTE):
            assert await keys.throttled(deny, "192.0.2.1") is deny
    malformed = bad_key("malformed")
    assert sum([await keys.throttled(malformed, "192.0.2.1") is malformed for _ in range(60)]) == MAX_PER_SLOT


async def test_the_number_of_sources_is_bounded(redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_keys, "MAX_SOURCES", 3)
    keys = counter(redis, clock)
    for number in range(6):
        await answered(keys, MAX_PER_SLOT + 1, f"192.0.2.{number}")
    assert await answered(keys, 5, "192.0.2.5") == 5, "it is not counted"
    assert await answered(keys, 1, "192.0.2.0") == 0
    (slot,) = await redis.keys("*wrong-keys*")
    assert await redis.hlen(slot) == 3
    assert 0 < await redis.ttl(slot) <= 70


async def test_a_source_that_has_to_wait_is_logged_once(
    redis: Redis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await answered(counter(redis, clock), 3 * MAX_PER_SLOT)
    assert [record.getMessage().count("192.0.2.1") for record in caplog.records] == [1]


async def test_without_redis_wrong_keys_are_not_limited(clock: Clock) -> None:
    redis = connect(f"redis://127.0.0.1:{free_port()}")
    assert await answered(counter(redis, clock), MAX_PER_SLOT + 1) == MAX_PER_SLOT + 1
    await redis.aclose()


# With a gateway.


@pytest.fixture
def slow_slots(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No slot ends during the test, however slow the machine is."""
    monkeypatch.setattr("gateway.proxy.worker.SYSTEM_CLOCK", ProxyClock(clock.now_ms, time.monotonic))


@pytest.mark.usefixtures("slow_slots")
async def test_after_too_many_wrong_keys_further_ones_are_429_and_good_ones_go_on(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    revoked_record, revoked = await gateway.new_key()
    await gateway.keys.revoke(revoked_record.key_id)
    suspended_record, suspended = await gateway.new_key()
    await gateway.keys.suspend(suspended_record.key_id, OPERATOR)
    responses = []
    for number in range(MAX_PER_MINUTE + 20):
        wrong = "sk-wrong" if number % 2 else ApiKey.generate().text
        responses.append(await gateway.post(INITIALIZE if number % 3 else call(), wrong))
    statuses = [response.status for response in responses]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) == MAX_PER_SLOT
    assert statuses[-20:] == [429] * 20
    last = responses[-1]
    assert last.error == {"code": -32001, "message": "Too many wrong API keys were sent from this address"}
    assert (last.json["id"], 1 <= int(last.headers["Retry-After"]) <= 61) == (0, True)
    assert "WWW-Authenticate" not in last.headers
    assert upstream.requests == []
    assert [(await gateway.request(method, key="sk-wrong")).status for method in ("GET", "DELETE")] == [429, 429]
    assert (await gateway.post(call(), key)).status == 200
    assert [(await gateway.post(call(), known)).status for known in (revoked, suspended)] == [401, 401]
    assert (await gateway.post(call())).status == 401
    assert (await gateway.post(INITIALIZE)).status == 200
    assert (await gateway.post(call(), "sk-wrong")).status == 429


async def test_clients_behind_a_trusted_proxy_are_limited_separately(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_keys, "MAX_PER_MINUTE", 5)
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, trusted_proxies=("127.0.0.1",)) as gateway:

        async def status(address: str) -> int:
            return (await gateway.post(call(), "sk-wrong", X_Forwarded_For=address)).status

        assert [await status("192.0.2.1") for _ in range(6)] == [401] * 5 + [429]
        assert await status("192.0.2.2") == 401
        assert await status("192.0.2.1, 192.0.2.2") == 401


async def test_a_bad_key_that_is_ignored_at_the_handshake_does_not_count(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_keys, "MAX_PER_MINUTE", 5)
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, bad_key_on_public="ignore") as gateway:
        assert {(await gateway.post(INITIALIZE, "sk-wrong")).status for _ in range(10)} == {200}
        assert [(await gateway.post(call(), "sk-wrong")).status for _ in range(6)] == [401] * 5 + [429]
