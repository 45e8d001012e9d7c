"""The HTTP+SSE transport of 2024-11-05: requests are sent by POST, and all responses arrive on one GET."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.proxy.streams import Listening, event, listening, next_event, result, text_result
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, http
from tests.support.waiting import until

ENDPOINT = event("/messages/?session_id=abc123", type_="endpoint")


@pytest.fixture
def stream(upstream: ScriptedUpstream) -> Listening:
    return Listening(upstream)


async def open_session(stream: Listening, content: aiohttp.StreamReader, endpoint: bytes = ENDPOINT) -> str:
    """Send the `endpoint` event, and return the message endpoint that the client gets."""
    await stream.send(endpoint)
    received = await next_event(content)
    assert received["event"] == "endpoint"
    return received["data"]


@pytest.mark.parametrize("path", ["/mcp", "/messages"])
async def test_messages_are_forwarded_to_the_endpoint_that_the_upstream_announced(
    gateway: Gateway, stream: Listening, path: str
) -> None:
    key = await gateway.key()
    async with listening(gateway, key, path) as content:
        target = await open_session(stream, content)
        assert target == f"{path}?session_id=abc123"
        response = await gateway.request("POST", target, key=key, data=INITIALIZE)
    assert (response.status, response.body) == (202, b"Accepted")
    assert stream.posts[0].line == b"POST /messages/?session_id=abc123 HTTP/1.1"
    assert stream.posts[0].message == INITIALIZE


@pytest.mark.parametrize(
    ("settings", "prefix", "announced"),
    [
        ({}, "/team", "/messages/"),
        ({"trusted_proxies": ("127.0.0.1",)}, "/team", "/team/messages/"),
        ({"trusted_proxies": ("127.0.0.1",)}, "//evil.example", "/messages/"),
        ({"public_url": "https://mcp.example.com/public/mcp"}, "", "/public/mcp"),
        ({"public_url": "https://x.example/mcp", "trusted_proxies": ("127.0.0.1",)}, "/team", "/mcp"),
    ],
)
async def test_the_endpoint_has_the_path_that_clients_see(
    redis: Redis,
    valkey_url: str,
    upstream: ScriptedUpstream,
    stream: Listening,
    tmp_path: Path,
    settings: dict[str, Any],
    prefix: str,
    announced: str,
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, **settings) as gateway:
        key = await gateway.key()
        fields = {"X-Forwarded-Prefix": prefix} if prefix else {}
        async with listening(gateway, key, "/messages/", **fields) as content:
            assert await open_session(stream, content) == f"{announced}?session_id=abc123"
            target = "/messages/?session_id=abc123"
            assert (await gateway.request("POST", target, key=key, data=INITIALIZE)).status == 202


async def test_a_result_on_the_stream_of_another_worker_is_counted_once_with_its_call(
    gateway: Gateway, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, stream: Listening, tmp_path: Path
) -> None:
    record, key = await gateway.new_key()
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as other_worker,
        listening(other_worker, key) as content,
    ):
        target = await open_session(stream, content)
        await gateway.request("POST", target, key=key, data=INITIALIZE)
        await gateway.request("POST", target, key=key, data=call("query", 5, sql="select * from prices"))
        for _ in range(2):
            await stream.send(event(result(5)))
            await next_event(content)
    (counted,) = await gateway.events()
    assert (counted.key_id, counted.tool_name, counted.table_names) == (record.key_id, "query", ("prices",))
    assert (counted.record_count, counted.request_id, counted.session_id) == (2, "5", "abc123")
    assert (counted.client_name, counted.protocol_version) == ("test-client", "2024-11-05")


async def test_every_worker_knows_the_client_of_a_session(
    gateway: Gateway, redis: Redis, valkey_url: str, upstream: ScriptedUpstream, stream: Listening, tmp_path: Path
) -> None:
    key = await gateway.key()
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as other_worker,
        listening(other_worker, key) as content,
    ):
        target = await open_session(stream, content)
        await other_worker.request("POST", target, key=key, data={"jsonrpc": "2.0", "id": 0, "method": "ping"})
        await gateway.request("POST", target, key=key, data=INITIALIZE)
        await other_worker.request("POST", target, key=key, data=call())
        await stream.send(event(result(1)))
        await next_event(content)
    (counted,) = await gateway.events()
    assert counted.client_name == "test-client"


async def test_a_result_that_arrives_before_the_response_to_the_post_is_counted(
    gateway: Gateway, stream: Listening
) -> None:
    counted: list[Any] = []

    async def on_post(_request: Request) -> None:
        await stream.send(event(result(1)))
        await next_event(content)
        counted.extend(await gateway.events())

    key = await gateway.key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        stream.on_post = on_post
        assert (await gateway.request("POST", target, key=key, data=call())).status == 202
    assert len(counted) == 1


async def test_each_element_of_a_batch_is_counted(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        await gateway.request("POST", target, key=key, data=[call(id_=1), call(id_="1"), call(id_=2)])
        await stream.send(event(result("1", rows=1)))
        await stream.send(event([result(1, rows=2), result(2, rows=4)]))
        for _ in range(2):
            await next_event(content)
    counted = {counted.request_id: counted.record_count for counted in await gateway.events()}
    assert counted == {'"1"': 1, "1": 2, "2": 4}


async def test_a_key_limited_to_tables_gets_only_allowed_results(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        await gateway.request("POST", target, key=key, data=INITIALIZE)
        await stream.send(event({"jsonrpc": "2.0", "id": 0, "result": {"serverInfo": {"name": "s"}}}))
        assert "serverInfo" in (await next_event(content))["data"]
        await gateway.request("POST", target, key=key, data=call("query", 1, sql="select * from prices"))
        await gateway.request("POST", target, key=key, data=call("fetch", 2))
        denied = await gateway.request("POST", target, key=key, data=call("query", 3, sql="select * from secrets"))
        assert denied.status == 403
        for response in (text_result(1, '[{"n":1}]'), text_result(2, "hidden"), text_result(9, "hidden")):
            await stream.send(event(response))
        first, second, third = [(await next_event(content))["data"] for _ in range(3)]
    assert "n" in first
    assert ("hidden" in second + third, "-32001" in second, "-32001" in third) == (False, True, True)
    assert [counted.status for counted in await gateway.events()] == ["ok", "denied"]


async def test_a_key_limited_to_tables_cannot_reuse_a_pending_id(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        for tool, status in (("query", 202), ("fetch", 400)):
            response = await gateway.request("POST", target, key=key, data=call(tool, table="prices"))
            assert response.status == status
        assert len(stream.posts) == 1
        for _ in range(2):
            await stream.send(event(result(1)))
            await next_event(content)
            response = await gateway.request("POST", target, key=key, data=call("query", table="prices"))
            assert response.status == 202


async def test_pending_requests_of_a_session_are_removed_when_its_stream_ends(
    gateway: Gateway, stream: Listening
) -> None:
    key = await gateway.key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        await gateway.request("POST", target, key=key, data=call())
        assert await gateway.redis.keys("*awaited*") != []

    async def are_removed() -> bool:
        return not await gateway.redis.keys("*awaited*")

    await until(are_removed)


async def test_the_list_of_tools_is_filtered(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key(allowed_tools=("get_*",))
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        await gateway.request("POST", target, key=key, data={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        await stream.send(
            event({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "get_a"}, {"name": "drop_b"}]}})
        )
        assert "drop_b" not in (await next_event(content))["data"]


async def test_a_session_is_not_found_by_another_owner_or_without_a_key(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        bob = await gateway.key("bob@example.com")
        for key_, message in ((bob, call()), (bob, INITIALIZE), (None, INITIALIZE)):
            response = await gateway.request("POST", target, key=key_, data=message)
            assert (response.status, response.error["message"]) == (404, "Session not found")
        assert (await gateway.request("POST", target, data=call())).status == 401
        assert (await gateway.request("GET", target, key=bob)).status == 404
        assert stream.posts == []
        assert (await gateway.request("POST", target, key=await gateway.key(), data=call())).status == 202


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("session_id=abc123&x=1", 404),
        ("x=1&session_id=abc123", 404),
        ("sessionId=abc123", 404),
        ("session_id=abc123&session_id=other", 400),
        ("session_id=abc123&sessionId=other", 400),
        ("session_id=%00", 400),
    ],
)
async def test_only_the_announced_query_is_forwarded(
    gateway: Gateway, stream: Listening, query: str, status: int
) -> None:
    key = await gateway.key()
    async with listening(gateway, key) as content:
        await open_session(stream, content)
        assert (await gateway.request("POST", f"/mcp?{query}", key=key, data=call())).status == status
    assert stream.posts == []


@pytest.mark.parametrize("address", ["http://evil.example/m?sessionId=1", "//evil.example/m?sessionId=1", "\u00e9"])
async def test_an_endpoint_on_another_server_closes_the_stream(
    gateway: Gateway, stream: Listening, address: str
) -> None:
    async with listening(gateway, await gateway.key()) as content:
        await stream.send(event(address, type_="endpoint"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await content.read()


async def test_a_session_without_an_id_in_the_query_gets_one(gateway: Gateway, stream: Listening) -> None:
    key = await gateway.key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content, event("/m/0a1b?v=2", type_="endpoint"))
        assert target.startswith("/mcp?sessionId=")
        await gateway.request("POST", target, key=key, data=call())
        await stream.send(event(result()))
        await next_event(content)
    assert stream.posts[0].line == b"POST /m/0a1b?v=2 HTTP/1.1"
    assert len(await gateway.events()) == 1


async def test_a_message_that_the_upstream_rejected_is_not_pending(
    gateway: Gateway, upstream: ScriptedUpstream, stream: Listening
) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        listen = upstream.answer

        async def reject(_request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(http(b"Could not find session", "text/plain", "404 Not Found"))

        upstream.answer = reject
        assert (await gateway.request("POST", target, key=key, data=call(table="prices"))).status == 404
        upstream.answer = listen
        await stream.send(event(result()))
        assert "-32001" in (await next_event(content))["data"]
    assert await gateway.events() == []


async def test_the_stream_requires_a_key_and_closes_when_it_is_revoked(gateway: Gateway, stream: Listening) -> None:
    assert (await gateway.request("GET")).status == 401
    record, key = await gateway.new_key()
    async with listening(gateway, key) as content:
        target = await open_session(stream, content)
        await gateway.keys.revoke(record.key_id)
        assert (await gateway.request("POST", target, key=key, data=call())).status == 401
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await content.read()
    assert stream.posts == []
