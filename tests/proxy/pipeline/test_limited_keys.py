"""Limits as clients see them, on both paths: calls in flight, header fields, and what costs nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.redis import names as redis_names
from tests.proxy.streams import PROGRESS, Listening, event, listening, next_event, result
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, http, sse_head
from tests.support.waiting import until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


class SlowUpstream:
    """Responds to calls once they are released."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.running = 0
        self.most = 0
        self.release = asyncio.Event()
        upstream.answer = self._respond

    async def _respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.release.wait()
        self.running -= 1
        writer.write(http(json.dumps(result(request.message["id"])).encode()))


@pytest.fixture
def slow(upstream: ScriptedUpstream) -> SlowUpstream:
    return SlowUpstream(upstream)


@pytest.mark.parametrize("fast_path", [True, False])
async def test_calls_beyond_the_limit_of_calls_in_flight_are_429_until_one_has_ended(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, slow: SlowUpstream, tmp_path: Path, fast_path: bool
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, fast_path=fast_path) as gateway:
        key = await gateway.key(max_concurrent=2)
        calls = [asyncio.create_task(gateway.post(call(id_=id_), key)) for id_ in (1, 2)]
        await until(lambda: slow.running == 2)
        refused = await gateway.post(call(id_=3), key)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert "limit of 2 calls at the same time; try again when one has ended" in refused.error["message"]
        slow.release.set()
        assert [(await each).status for each in calls] == [200, 200]
        for id_ in range(10):
            assert (await gateway.post(call(id_=id_), key)).status == 200
    assert slow.most == 2


async def test_a_call_whose_client_has_left_holds_its_slot_until_it_has_ended_upstream(
    gateway: Gateway, slow: SlowUpstream
) -> None:
    key = await gateway.key(max_concurrent=1)
    leaving = asyncio.create_task(gateway.post(call(), key))
    await until(lambda: slow.running == 1)
    leaving.cancel()
    await until(lambda: not gateway.active_requests)
    assert (await gateway.post(call(), key)).status == 429
    slow.release.set()
    await gateway.until_events(1)
    await until(lambda: not gateway.worker.services.forwarding.detached_calls)
    assert (await gateway.post(call(), key)).status == 200


async def test_a_call_that_cannot_be_sent_costs_nothing(redis: Redis, valkey_url: str, tmp_path: Path) -> None:
    async with running_gateway(redis, valkey_url, "http://127.0.0.1:9/mcp", tmp_path) as gateway:
        key = await gateway.key(max_concurrent=1, calls_per_day=2)
        assert [(await gateway.post(call(), key)).status for _ in range(3)] == [502] * 3


async def test_a_call_of_the_http_sse_transport_holds_its_slot_until_its_result_passes_on_any_worker(
    gateway: Gateway, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    stream = Listening(upstream)
    key = await gateway.key(max_concurrent=1)
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as other_worker,
        listening(other_worker, key) as content,
    ):
        await stream.send(event("/messages/?session_id=abc123", type_="endpoint"))
        target = (await next_event(content))["data"]
        assert (await gateway.request("POST", target, key=key, data=call(id_=1))).status == 202
        assert (await gateway.request("POST", target, key=key, data=call(id_=2))).status == 429
        assert (await other_worker.request("POST", target, key=key, data=call(id_=2))).status == 429
        for id_ in range(1, 5):
            await stream.send(event(result(id_)))
            await next_event(content)
            assert (await gateway.request("POST", target, key=key, data=call(id_=id_ + 1))).status == 202
    # The session has ended, and with it the last call.
    gateway.worker.stores.limiter.maintain(renews=True)
    slots = redis_names.CALL_SLOTS + (await gateway.keys.list("ann@example.com"))[0].key_id
    await until(lambda: _is_empty(redis, slots))


async def test_a_call_of_the_http_sse_transport_that_the_upstream_rejects_gives_its_slot_back(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = Listening(upstream)
    key = await gateway.key(max_concurrent=1)
    async with listening(gateway, key) as content:
        await stream.send(event("/messages/?session_id=abc123", type_="endpoint"))
        target = (await next_event(content))["data"]

        async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(http(b"", status="400 Bad Request"))

        upstream.answer = respond
        for _ in range(3):
            assert (await gateway.request("POST", target, key=key, data=call())).status == 400
        assert len(upstream.requests) == 4


async def test_a_call_of_the_http_sse_transport_that_is_refused_after_the_limits_costs_nothing(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = Listening(upstream)
    key = await gateway.key(max_concurrent=2, calls_per_day=9, allowed_tables=("prices",))
    async with listening(gateway, key) as content:
        await stream.send(event("/messages/?session_id=abc123", type_="endpoint"))
        target = (await next_event(content))["data"]
        ids_in_use = [(1, 202), (1, 400), (1, 400), (2, 202), (3, 429)]
        for id_, status in ids_in_use:
            response = await gateway.request("POST", target, key=key, data=call(id_=id_, table="prices"))
            assert (id_, response.status) == (id_, status)
            if status == 202:
                assert f'"calls_per_day";r={9 - id_};' in response.headers["RateLimit"]


async def _is_empty(redis: Redis, name: str) -> bool:
    return not await redis.zcard(name)


@pytest.mark.parametrize("fast_path", [True, False])
async def test_responses_say_what_is_left_of_the_limit_with_the_smallest_share_left(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, fast_path: bool
) -> None:
    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(json.dumps(result(request.message["id"])).encode()))

    upstream.answer = respond
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, fast_path=fast_path) as gateway:
        key = await gateway.key(rate_limit_per_minute=100, calls_per_day=3)
        responses = [await gateway.post(call(id_=id_), key) for id_ in range(4)]
        assert [response.status for response in responses] == [200, 200, 200, 429]
        assert {response.headers["RateLimit-Policy"] for response in responses} == {'"calls_per_day";q=3;w=86400'}
        left = [response.headers["RateLimit"].partition(";t=")[0] for response in responses]
        assert left == [f'"calls_per_day";r={number}' for number in (2, 1, 0, 0)]
        assert responses[3].headers["Retry-After"] in responses[3].headers["RateLimit"]
        other = await gateway.post(LIST, key)
        assert other.headers["RateLimit-Policy"] == '"rate_limit_per_minute";q=100;w=60'
        assert other.headers["RateLimit"].startswith('"rate_limit_per_minute";r=96;t=')
        assert "RateLimit" not in (await gateway.post(call(), await gateway.key())).headers


@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_stream_whose_result_exceeds_the_records_is_429_if_nothing_was_sent(
    gateway: Gateway, upstream: ScriptedUpstream, has_begun: bool
) -> None:
    both_sent = asyncio.Event()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.message["id"] == 2:
            both_sent.set()
        await both_sent.wait()
        first = chunk(event(PROGRESS)) if has_begun else b""
        writer.write(sse_head() + first + chunk(event(result(request.message["id"]))) + chunk(b""))

    upstream.answer = respond
    key = await gateway.key(records_per_day=1)
    responses = await asyncio.gather(*(gateway.post(call(id_=id_), key) for id_ in (1, 2)))
    assert sorted(response.status for response in responses) == ([200, 200] if has_begun else [200, 429])
    assert sum(b"1 records a day" in response.body for response in responses) == 1
    assert sorted(event.status for event in await gateway.until_events(2)) == ["denied", "ok"]


async def test_the_result_of_a_batch_of_one_is_replaced(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    arrived = 0
    both_sent = asyncio.Event()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 2:
            both_sent.set()
        await both_sent.wait()
        writer.write(http(json.dumps([result(each["id"]) for each in request.message]).encode()))

    upstream.answer = respond
    key = await gateway.key(records_per_day=1)
    responses = await asyncio.gather(*(gateway.post([call(id_=id_)], key) for id_ in (1, 2)))
    assert [response.status for response in responses] == [200, 200]
    errors = [each["error"]["message"] for response in responses for each in response.json if "error" in each]
    assert len(errors) == 1
    assert "1 records a day" in errors[0]


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"{", {}, 400),
        (call("other"), {}, 403),
        (call(), {"Mcp-Session-Id": "of-somebody"}, 404),
        ({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "of-somebody"}}, {}, 404),
        ({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}, {}, 200),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, {}, 200),
    ],
)
async def test_what_is_refused_costs_nothing_and_neither_do_notifications_and_responses(
    gateway: Gateway, data: Any, headers: dict[str, str], status: int
) -> None:
    await gateway.post(INITIALIZE, await gateway.key("bob@example.com"), **{"Mcp-Session-Id": "of-somebody"})
    await gateway.redis.set(
        redis_names.TASK_OWNER + redis_names.digest("of-somebody"), redis_names.digest("bob@example.com")
    )
    key = await gateway.key(rate_limit_per_minute=1, calls_per_day=1, allowed_tools=("get",))
    for _ in range(3):
        assert (await gateway.post(data, key, **headers)).status == status
    assert (await gateway.post(call(), key)).status == 200
