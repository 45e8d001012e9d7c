"""Each request that the gateway answers with 403 or 429 is counted once, on both paths; no other request is."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.keys.secret import ApiKey
from gateway.proxy.admission.credentials.wrong_keys import MAX_PER_SLOT
from gateway.usage.denial_count import DenialCount
from tests.proxy.denials.support import streamed_counts, sums
from tests.proxy.keep_alive import PathRecorder, warm_client
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, http
from tests.support.waiting import until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
TOOLS: dict[str, Any] = {"tools": [{"name": name, "inputSchema": {}} for name in ("get", "run_sql")]}


@pytest.fixture(params=[True, False], ids=["fast path", "general path"])
async def gateway(
    request: pytest.FixtureRequest, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[Gateway]:
    upstream.answer = answer_raw(http(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}).encode()))
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, fast_path=request.param) as gateway:
        yield gateway


async def counted(gateway: Gateway) -> list[DenialCount]:
    """Return what was counted so far."""
    await gateway.worker.stores.denials.send()
    return await streamed_counts(gateway.redis)


async def statuses(gateway: Gateway, key: str, *messages: Any) -> list[int]:
    """Send requests one after another on one connection; return the statuses."""
    return [(await gateway.post(message, key)).status for message in messages]


async def test_refused_calls_are_counted_by_key_tool_status_and_reason(gateway: Gateway) -> None:
    record, key = await gateway.new_key(allowed_tools=("get*",), tool_rate_limits={"get_a": 1}, allowed_tables=("t",))
    messages = [call("get_a", table="t"), call("get_a", table="t"), call("get_b", table="u"), call("run_sql"), LIST]
    assert await statuses(gateway, key, *messages, *messages) == [200, 429, 403, 403, 200, 429, 429, 403, 403, 200]
    found = await counted(gateway)
    assert sums(found) == {
        ("get_a", 429, "tool_rate"): 3,
        ("get_b", 403, "table"): 2,
        ("run_sql", 403, "tool"): 2,
    }
    assert {(one.key_id, one.owner, one.gateway_id) for one in found} == {
        (record.key_id, "ann@example.com", "test-gateway")
    }


async def test_calls_beyond_a_limit_are_counted_under_its_kind(gateway: Gateway) -> None:
    for limit in ("rate_limit_per_minute", "calls_per_day"):
        limits: dict[str, Any] = {limit: 1}
        key = await gateway.key(**limits)
        await statuses(gateway, key, call(), call())
    assert sums(await counted(gateway)) == {
        ("get", 429, "rate"): 1,
        ("get", 429, "calls"): 1,
    }


async def test_a_refused_address_counts_for_the_key(gateway: Gateway) -> None:
    record, key = await gateway.new_key(allowed_ips=("192.0.2.0/24",))
    assert await statuses(gateway, key, call()) == [403]
    assert (await gateway.request("GET", key=key)).status == 403
    found = await counted(gateway)
    assert sums(found) == {("get", 403, "address"): 1, ("", 403, "address"): 1}
    assert {one.key_id for one in found} == {record.key_id}


async def test_other_requests_than_calls_are_counted_without_a_tool(gateway: Gateway) -> None:
    key = await gateway.key(rate_limit_per_minute=1)
    assert await statuses(gateway, key, LIST, LIST) == [200, 429]
    assert (await gateway.request("GET", key=key)).status == 429
    assert (await gateway.request("DELETE", key=key)).status == 429
    assert sums(await counted(gateway)) == {("", 429, "rate"): 3}


async def test_a_refused_batch_counts_once_for_the_tool_at_fault(gateway: Gateway) -> None:
    key = await gateway.key(allowed_tools=("get*",), rate_limit_per_minute=2)
    batches = [
        [call("get_a"), call("run_sql", id_=2), call("get_b", id_=3)],
        [call("get_a", id_=id_) for id_ in range(3)],
        [call("get_a"), call("get_b", id_=2), LIST | {"id": 3}],
    ]
    assert await statuses(gateway, key, *batches) == [403, 429, 429]
    assert sums(await counted(gateway)) == {
        ("run_sql", 403, "tool"): 1,
        ("get_a", 429, "rate"): 1,
        ("", 429, "rate"): 1,
    }


async def test_a_result_that_is_withheld_with_429_is_counted(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    arrived = asyncio.Event()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if len(upstream.requests) >= 2:
            arrived.set()
        await arrived.wait()
        result = {"content": [], "structuredContent": {"table": "t", "rows": [1, 2]}}
        writer.write(http(json.dumps({"jsonrpc": "2.0", "id": request.message["id"], "result": result}).encode()))

    upstream.answer = respond
    key = await gateway.key(records_per_day=1)
    both = await asyncio.gather(*(gateway.post(call(id_=id_), key) for id_ in (1, 2)))
    assert sorted(one.status for one in both) == [200, 429]
    assert sums(await counted(gateway)) == {("get", 429, "records"): 1}
    assert sorted(event.status for event in await gateway.until_events(2)) == ["denied", "ok"]


async def test_requests_without_a_valid_key_are_counted_without_a_key(gateway: Gateway) -> None:
    assert (await gateway.post(INITIALIZE, Origin="https://evil.example")).status == 403
    # Twice as many as are allowed, because the first ones may belong to the minute before.
    for _ in range(2 * MAX_PER_SLOT + 1):
        if (await gateway.post(call(), ApiKey.generate().text)).status == 429:
            break
    found = await counted(gateway)
    assert sums(found) == {("", 403, "origin"): 1, ("get", 429, "wrong_keys"): 1}
    assert {(one.key_id, one.owner) for one in found} == {("", "")}


async def test_responses_of_the_upstream_and_other_refusals_are_not_counted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(allowed_tools=("get",))
    listed = http(json.dumps({"jsonrpc": "2.0", "id": 1, "result": TOOLS}).encode())
    expected = [(listed, 200), (http(b"", status="429 Busy"), 429), (http(b"", status="403 No"), 502)]
    for answer, status in expected:
        upstream.answer = answer_raw(answer)
        assert await statuses(gateway, key, LIST, LIST) == [status] * 2
    assert await statuses(gateway, ApiKey.generate().text, call()) == [401]
    assert (await gateway.post(b"{", key)).status == 400
    assert await counted(gateway) == []


async def test_invented_tools_are_bounded_and_listed_ones_keep_their_name(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(allowed_tools=("get",))
    await statuses(gateway, key, *(call(f"invented_{number}") for number in range(70)))
    upstream.answer = answer_raw(http(json.dumps({"jsonrpc": "2.0", "id": 1, "result": TOOLS}).encode()))
    assert await statuses(gateway, key, LIST, call("run_sql")) == [200, 403]
    names = Counter(one.tool_name for one in await counted(gateway))
    assert len(names) == 66
    assert sums(await counted(gateway))["(other)", 403, "tool"] == 6
    assert sums(await counted(gateway))["run_sql", 403, "tool"] == 1


async def test_a_call_that_is_refused_on_the_fast_path_counts(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = PathRecorder(monkeypatch)
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        key = await gateway.key(calls_per_day=1)
        async with warm_client(gateway, upstream, key) as client:
            paths.taken.clear()
            for _ in range(3):
                assert (await client.exchange(call("run_sql"))).startswith(b"HTTP/1.1 429 ")
        assert paths.taken == ["fast"] * 3
        assert sums(await counted(gateway)) == {("run_sql", 429, "calls"): 3}


async def test_a_worker_that_stops_leaves_no_count_behind(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        key = await gateway.key(allowed_tools=("get",))
        assert await statuses(gateway, key, call("run_sql")) == [403]
    await until(lambda: streamed_counts(redis))
    assert sums(await streamed_counts(redis)) == {("run_sql", 403, "tool"): 1}
