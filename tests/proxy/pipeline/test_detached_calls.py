"""A client can resume the stream of its call although the gateway has continued to read it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.redis import names as redis_names
from tests.proxy.streams import event, messages_in, next_event, result, stream
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, sse_head
from tests.support.waiting import until

S = {"Mcp_Session_Id": "session-1"}


@pytest.fixture(autouse=True)
def resumable_upstream(upstream: ScriptedUpstream) -> None:
    """Streams start with an event id; a GET gets the result once no other connection is open."""

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"POST "):
            writer.write(sse_head() + chunk(event("", "1")))
        else:
            is_free = upstream.open_connections == 1
            writer.write(stream(event(result(), "2")) if is_free else stream())

    upstream.answer = respond


async def call_and_disconnect(gateway: Gateway, key: str, session_id: str) -> None:
    """Make a call, and disconnect when its stream has begun."""
    headers = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": session_id}
    async with gateway.session.post(gateway.url, json=call(), headers=headers) as response:
        await next_event(response.content)
        response.close()
    await until(lambda: gateway.redis.keys(redis_names.DETACHED_CALLS + "*"))


async def resume(gateway: Gateway, key: str) -> list[Any]:
    """Resume the stream as clients do: again, while it ends without a message."""
    messages: list[Any] = []
    async with asyncio.timeout(20):
        while not messages:
            messages = messages_in((await gateway.request("GET", key=key, Last_Event_ID="1", **S)).body)
    return messages


async def test_a_client_resumes_its_stream_at_the_worker_of_the_call(gateway: Gateway) -> None:
    key = await gateway.key()
    await call_and_disconnect(gateway, key, "session-1")
    assert await resume(gateway, key) == [result()]
    assert len(await gateway.events()) == 1


async def test_a_client_resumes_its_stream_at_another_worker(
    gateway: Gateway, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    key = await gateway.key()
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as other:
        await call_and_disconnect(gateway, key, "session-1")
        assert await resume(other, key) == [result()]
    assert len(await gateway.events()) == 1


@pytest.mark.parametrize("headers", [{"Last_Event_ID": "1", "Mcp_Session_Id": "session-2"}, S], ids=["other", "news"])
async def test_a_detached_call_goes_on_if_its_client_resumes_no_stream_of_its_session(
    gateway: Gateway, upstream: ScriptedUpstream, headers: dict[str, str]
) -> None:
    key = await gateway.key()
    await call_and_disconnect(gateway, key, "session-1")
    response = await gateway.request("GET", key=key, **headers)
    assert messages_in(response.body) == []
    # One idle connection of the GET, and the one of the detached call.
    assert upstream.open_connections == 2
    await gateway.worker.services.forwarding.detached_calls.close(0)


async def test_a_failure_of_the_upstream_during_a_detached_call_is_logged_and_counted(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[asyncio.StreamWriter] = []

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head() + chunk(event("", "1")))
        opened.append(writer)

    upstream.answer = respond
    await call_and_disconnect(gateway, await gateway.key(), "session-1")
    opened[0].transport.abort()
    await until(lambda: gateway.metrics.phases)
    assert gateway.metrics.phases == ["answer"]
    assert "a detached call was not read to its end" in caplog.text


async def test_a_client_that_resumes_before_its_disconnect_was_noticed_gets_its_stream(
    gateway: Gateway, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    key = await gateway.key()
    headers = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": "session-1"}
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as other:
        async with (
            gateway.session.post(gateway.url, json=call(), headers=headers) as response,
            redis.monitor() as monitor,
        ):
            await next_event(response.content)
            resumed = asyncio.ensure_future(other.request("GET", key=key, Last_Event_ID="1", **S))
            async for entry in monitor.listen():
                if entry["command"].startswith(f"DEL {redis_names.DETACHED_CALLS}"):
                    break
            response.close()
        assert messages_in((await resumed).body) == [result()]
    assert len(await gateway.events()) == 1
