"""Random traffic has the same results with the fast path on and off, byte by byte.

Two gateways with the same keys, each with a separate Valkey, serve the same plans in front of the same upstream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from gateway.keys.secret import ApiKey
from gateway.keys.store import KeyStore
from gateway.proxy.admission.credentials import wrong_keys
from gateway.redis import names as redis_names
from gateway.redis.client import connect
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from tests.proxy.fast_path.responses import (
    CLOSING_RESPONSES,
    LARGE_RESPONSES,
    OTHER_RESPONSES,
    SINGLE_RESULT_RESPONSES,
)
from tests.proxy.fast_path.traffic import Burst, Plan, Traffic
from tests.proxy.keep_alive import RESULT, PathRecorder, limited_gateway, without_time
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, http
from tests.support.valkey import Valkey
from tests.support.waiting import socket_events, until

PLANS = 40
"""Connections of one test."""
_RESPONSES = {**SINGLE_RESULT_RESPONSES, **OTHER_RESPONSES, **CLOSING_RESPONSES, **LARGE_RESPONSES}
_VARYING = re.compile(rb"(?:Date|RateLimit|RateLimit-Policy): [^\r]*\r\n")
_ID = re.compile(rb'("id" ?: ?)1(?=[,}])')
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class Outcome(NamedTuple):
    """All observable effects of one plan."""

    responses: bytes
    end: str
    sent: list[tuple[bytes, bytes]]
    """Heads and bodies of the requests to the upstream."""
    events: list[UsageEvent]
    metrics: list[str]


class Client(asyncio.Protocol):
    """Records what it receives and how the connection ends."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.end = "open"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.end = "closed" if exc is None else "reset"

    @property
    def is_over(self) -> bool:
        """True once the gateway has closed the connection."""
        return self.end != "open"


async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
    """Respond as the request says, or with a result."""
    raw, cut, closes = _scripted(request)
    segments = [raw] if cut is None else [raw[: cut % len(raw)], raw[cut % len(raw) :]] if raw else []
    for segment in segments:
        writer.write(segment)
        await writer.drain()
        if cut is not None:
            await socket_events()
    if closes:
        writer.close()


def _scripted(request: Request) -> tuple[bytes, int | None, bool]:
    """Return the response to a request, where to cut it, and whether the connection is closed after it."""
    if not request.body:
        return _RESPONSES[(request.values("x-answer") or [b"json"])[0].decode()], None, False
    message = request.message
    if isinstance(message, list):
        responses = [{"jsonrpc": "2.0", "id": one["id"], "result": RESULT} for one in message if "id" in one]
        return http(json.dumps(responses).encode()), None, False
    if "id" not in message or "method" not in message:
        return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", None, False
    params = message.get("params")
    arguments = params.get("arguments", {}) if isinstance(params, dict) else {}
    if "answer" not in arguments:
        result = {"jsonrpc": "2.0", "id": message["id"], "result": RESULT}
        return http(json.dumps(result).encode()), None, False
    # All ids have one digit, so that lengths stay correct.
    raw = _ID.sub(rb"\g<1>%d" % message["id"], _RESPONSES[arguments["answer"]])
    return raw, arguments.get("cut"), arguments["answer"] in CLOSING_RESPONSES


async def play(gateway: Gateway, upstream: ScriptedUpstream, plan: Plan) -> Outcome:
    """Send a plan on one connection."""
    upstream.requests.clear()
    metrics = gateway.metrics
    metrics.reasons.clear()
    metrics.phases.clear()
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, "127.0.0.1", gateway.port)
    try:
        for burst in plan.bursts:
            await _send(gateway, client, burst)
            if client.is_over:
                break
    finally:
        client.transport.abort()
    await until(lambda: not gateway.active_requests and not gateway.worker.server.connections)
    outcome = Outcome(
        with_joined_chunks(bytes(client.received)) if plan.has_loose_chunks else _VARYING.sub(b"", client.received),
        client.end,
        [(sent.head, sent.body) for sent in upstream.requests],
        [without_time(event) for event in await gateway.events()],
        metrics.reasons + metrics.phases,
    )
    await gateway.redis.xtrim(redis_names.USAGE, maxlen=0)
    return outcome


async def _send(gateway: Gateway, client: Client, burst: Burst) -> None:
    """Send a burst, and wait for its responses or the end of the connection."""
    before = len(gateway.metrics.reasons)
    for index, segment in enumerate(burst.segments):
        client.transport.write(segment)
        # The gateway runs in this event loop: it reads each segment before the next one is written.
        for _ in range(3):
            await asyncio.sleep(0)
        if index == 0 and burst.pause:
            await asyncio.sleep(burst.pause)

    def has_responses() -> bool:
        is_served = len(gateway.metrics.reasons) >= before + burst.requests and not burst.is_last
        return client.is_over or (is_served and not gateway.unwritten_bytes)

    with contextlib.suppress(TimeoutError):
        await until(has_responses, seconds=5)
    await socket_events()


def with_joined_chunks(raw: bytes) -> bytes:
    """Return responses without dates and limits, with consecutive chunks of their bodies joined to one."""
    before, separator, rest = _VARYING.sub(b"", raw).partition(b"Transfer-Encoding: chunked\r\n\r\n")
    if not separator:
        return before
    body = b""
    while (line := _CHUNK.match(rest)) and (size := int(line[1], 16)):
        body += rest[line.end() : line.end() + size]
        rest = rest[line.end() + size + 2 :]
    return before + separator + b"%x\r\n" % len(body) + body + b"\r\n" + with_joined_chunks(rest)


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> PathRecorder:
    return PathRecorder(monkeypatch)


@pytest.fixture
async def keys(redis: Redis) -> dict[str, str]:
    """Keys by name."""
    store = KeyStore(redis, pepper=None, now_ms=now_ms)
    fields: dict[str, dict[str, Any]] = {
        "unlimited": {},
        "tools": {"allowed_tools": ("get*",)},
        "tables": {"allowed_tables": ("prices",)},
        "addresses": {"allowed_ips": ("127.0.0.0/8",)},
        "limited": {"rate_limit_per_minute": 100_000, "records_per_day": 10**9},
        "another owner": {"owner": "bob@example.com"},
        "other addresses": {"allowed_ips": ("10.0.0.0/8",)},
        "revoked": {},
    }
    keys = {}
    for name, changes in fields.items():
        record, key = await store.create(**{"owner": "ann@example.com", "key_name": name, **changes})
        keys[name] = key.text
    await store.revoke(record.key_id)
    past = KeyStore(redis, pepper=None, now_ms=lambda: 1)
    keys["expired"] = (await past.create(owner="ann@example.com", key_name="expired", expires_at=2))[1].text
    return {**keys, "unknown": ApiKey.generate().text, "malformed": "sk-no-key"}


@pytest.fixture
async def gateways(
    redis: Redis,
    valkey_url: str,
    valkey: Valkey,
    upstream: ScriptedUpstream,
    tmp_path: Path,
    keys: dict[str, str],
    paths: PathRecorder,
    max_body: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """A gateway with the fast path, and one without."""
    # How many are refused depends on time.
    monkeypatch.setattr(wrong_keys, "MAX_PER_SLOT", 10**9)
    monkeypatch.setattr(wrong_keys, "MAX_PER_MINUTE", 10**9)
    settings = {"max_request_bytes": max_body, "request_head_timeout": 1.5, "request_body_timeout": 1.5}
    async with contextlib.aclosing(connect(valkey.url)) as other_redis:
        for name in await redis.keys():
            dump = await redis.dump(name)
            assert dump is not None
            await other_redis.restore(name, 0, dump)
        async with (
            limited_gateway(redis, valkey_url, upstream, tmp_path / "on", fast_path=True, **settings) as on,
            limited_gateway(other_redis, valkey.url, upstream, tmp_path / "off", fast_path=False, **settings) as off,
        ):
            yield on, off


# Less and more than the fast path waits for.
@pytest.mark.parametrize("max_body", [40_000, 80_000])
@pytest.mark.parametrize("seed", range(4))
async def test_random_traffic_has_the_same_results_with_the_fast_path_on_and_off(
    gateways: tuple[Gateway, Gateway],
    upstream: ScriptedUpstream,
    keys: dict[str, str],
    paths: PathRecorder,
    max_body: int,
    seed: int,
) -> None:
    upstream.answer = respond
    traffic = Traffic(Random(max_body + seed), keys, max_body)
    on, off = gateways
    taken: list[str] = []
    for number in range(PLANS):
        plan = traffic.plan()
        paths.taken.clear()
        first = await play(on, upstream, plan)
        taken += paths.taken
        paths.taken.clear()
        second = await play(off, upstream, plan)
        assert set(paths.taken) <= {"general"}
        assert first == second, f"seed {seed}, connection {number}: {plan}"
    assert taken.count("fast") > len(taken) / 10
    assert "fell back" in taken
