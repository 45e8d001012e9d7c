"""Session ownership, and unclaimed sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.proxy.admission.admitted_request import Session
from gateway.proxy.admission.sessions import Sessions
from tests.support.clock import Clock
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_json, answer_raw, http
from tests.support.waiting import until

OPENED = answer_json({"jsonrpc": "2.0", "id": 0, "result": {}}, extra="Mcp-Session-Id: s-1\r\n")


def sessions(redis: Redis, clock: Clock) -> Sessions:
    return Sessions(redis, now_ms=clock.now_ms, monotonic=clock.monotonic, unclaimed_seconds=60, open_per_address=2)


async def test_the_owner_that_first_uses_a_session_keeps_it(redis: Redis) -> None:
    one, other = sessions(redis, Clock()), sessions(redis, Clock())
    assert await one.claim("s", "ann") == Session("ann")
    assert await other.claim("s", "bob") is None
    assert await other.claim("s", "ann") == Session("ann")


async def test_only_one_of_two_owners_claims_a_session(redis: Redis) -> None:
    workers = [sessions(redis, Clock()) for _ in range(8)]
    claims = await asyncio.gather(*(worker.claim("s", f"owner {n}") for n, worker in enumerate(workers)))
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_an_unclaimed_session_keeps_its_client_when_it_is_claimed(redis: Redis) -> None:
    held = sessions(redis, Clock())
    await held.register("s", Session("", "claude-code", "2", address="10.0.0.1"))
    assert await held.claim("s", "ann") == Session("ann", "claude-code", "2")


async def test_only_expired_unclaimed_sessions_are_taken_and_each_once(redis: Redis) -> None:
    clock = Clock()
    held, other = sessions(redis, clock), sessions(redis, clock)
    for name in ("claimed", "unclaimed"):
        await held.register(name, Session("", address="10.0.0.1"))
    await held.claim("claimed", "ann")
    assert await held.take_expired(10) == []
    clock.advance(61)
    taken = await asyncio.gather(held.take_expired(10), other.take_expired(10))
    assert [session_id for ids in taken for session_id in ids] == ["unclaimed"]


async def test_open_handshakes_are_limited_per_address(redis: Redis) -> None:
    clock = Clock()
    held = sessions(redis, clock)
    for name in ("a", "b"):
        assert await held.reserve_handshake("10.0.0.1")
        await held.register(name, Session("", address="10.0.0.1"))
    assert not await held.reserve_handshake("10.0.0.1")
    assert await held.reserve_handshake("10.0.0.2")
    clock.advance(61)
    assert await held.reserve_handshake("10.0.0.1")


async def test_a_claimed_session_no_longer_counts_as_an_open_handshake(redis: Redis) -> None:
    held = sessions(redis, Clock())
    for name in ("a", "b"):
        await held.register(name, Session("", address="10.0.0.1"))
        await held.claim(name, "ann")
    assert await held.reserve_handshake("10.0.0.1")


async def test_redis_holds_no_id_of_a_claimed_session(redis: Redis) -> None:
    held = sessions(redis, Clock())
    await held.register("secret-session", Session("", address="10.0.0.1"))
    await held.claim("secret-session", "ann")
    for name in await redis.keys():
        assert b"secret-session" not in name
        kind = await redis.type(name)
        values: Any = await redis.get(name) if kind == b"string" else await redis.zrange(name, 0, -1)
        assert b"secret-session" not in (values if isinstance(values, bytes) else b" ".join(values))


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_session_of_another_owner_is_404_and_stays_unchanged(
    gateway: Gateway, upstream: ScriptedUpstream, method: str
) -> None:
    upstream.answer = OPENED
    ann, bob = await gateway.key("ann@example.com"), await gateway.key("bob@example.com")
    assert (await gateway.post(INITIALIZE, ann)).headers["Mcp-Session-Id"] == "s-1"
    upstream.requests.clear()
    data = call() if method == "POST" else None
    response = await gateway.request(method, key=bob, data=data, Mcp_Session_Id="s-1")
    assert (response.status, upstream.requests) == (404, [])
    assert (await gateway.request(method, key=ann, data=data, Mcp_Session_Id="s-1")).status == 200


async def test_another_key_of_the_same_owner_may_use_the_session(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = OPENED
    await gateway.post(INITIALIZE, await gateway.key())
    assert (await gateway.post(call(), await gateway.key(), Mcp_Session_Id="s-1")).status == 200


async def test_the_anonymous_client_of_a_session_is_locked_out_once_it_is_claimed(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = OPENED
    await gateway.post(INITIALIZE)
    assert (await gateway.post(call(), await gateway.key("victim"), Mcp_Session_Id="s-1")).status == 200
    assert (await gateway.post(call(), await gateway.key("attacker"), Mcp_Session_Id="s-1")).status == 404


async def test_a_claimed_session_cannot_be_used_without_a_key(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = OPENED
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await gateway.post(INITIALIZE)
    assert (await gateway.post(initialized, Mcp_Session_Id="s-1")).status == 200
    await gateway.post(call(), await gateway.key(), Mcp_Session_Id="s-1")
    upstream.requests.clear()
    assert (await gateway.post(initialized, Mcp_Session_Id="s-1")).status == 404
    assert upstream.requests == []


async def test_an_unclaimed_session_is_ended_upstream(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.proxy.worker.REAP_SECONDS", 0.05)
    upstream.answer = OPENED
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, unclaimed_session_seconds=0.1) as gateway:
        await gateway.post(INITIALIZE)
        await until(lambda: len(upstream.requests) == 2)
    assert upstream.requests[1].line == b"DELETE /mcp HTTP/1.1"
    assert upstream.requests[1].values("mcp-session-id") == [b"s-1"]


async def test_too_many_open_handshakes_are_429_while_keyed_clients_work(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, open_handshakes_per_address=3) as gateway:
        statuses = []
        for number in range(5):
            upstream.answer = answer_json({"jsonrpc": "2.0", "id": 0, "result": {}}, f"Mcp-Session-Id: s-{number}\r\n")
            statuses.append((await gateway.post(INITIALIZE)).status)
        assert statuses == [200, 200, 200, 429, 429]
        assert (await gateway.post(INITIALIZE, await gateway.key())).status == 200


async def test_the_addresses_of_one_ipv6_network_share_the_limit_of_open_handshakes(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 0, "result": {}}, "Mcp-Session-Id: s-1\r\n")
    settings: dict[str, Any] = {"open_handshakes_per_address": 1, "trusted_proxies": ["127.0.0.1"]}
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, **settings) as gateway:
        addresses = ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1")
        responses = [await gateway.post(INITIALIZE, X_Forwarded_For=address) for address in addresses]
    assert [response.status for response in responses] == [200, 429, 200]


async def test_concurrent_handshakes_are_limited(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    opened = 0

    async def respond(_request: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await until(lambda: gateway.metrics.reasons.count("handshakes") == 17)
        writer.write(http(b"{}", extra=f"Mcp-Session-Id: s-{opened}\r\n"))

    upstream.answer = respond
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, open_handshakes_per_address=3) as gateway:
        responses = await asyncio.gather(*(gateway.post(INITIALIZE) for _ in range(20)))
    assert sorted(response.status for response in responses) == [200] * 3 + [429] * 17
    assert opened == 3


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
async def test_a_handshake_that_opens_no_session_does_not_count(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, status: str
) -> None:
    upstream.answer = answer_raw(http(b"{}", status=status))
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, open_handshakes_per_address=2) as gateway:
        statuses = {(await gateway.post(INITIALIZE)).status for _ in range(5)}
    assert statuses == {int(status[:3])}


async def test_a_handshake_that_the_upstream_breaks_off_does_not_count(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.answer = answer_raw(b"", close=True)
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, open_handshakes_per_address=2) as gateway:
        assert {(await gateway.post(INITIALIZE)).status for _ in range(5)} == {502}
