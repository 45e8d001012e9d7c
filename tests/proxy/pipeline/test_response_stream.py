"""Responses are streamed as they arrive, and metered before their last byte is sent, even without their client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.keys.changes import OPERATOR
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import (
    Request,
    ScriptedUpstream,
    answer_raw,
    chunk,
    http,
    sse_event,
    sse_head,
)
from tests.support.valkey import Valkey
from tests.support.waiting import until

PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}


def result(id_: Any = 1, rows: int = 2) -> dict[str, Any]:
    structured = {"table": "prices", "rows": [{"n": n} for n in range(rows)]}
    return {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": structured}}


class Script:
    """An upstream whose response a test writes chunk by chunk, while it reads what the client gets."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.arrived = asyncio.Event()
        self.over = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None
        upstream.answer = self._respond

    async def _respond(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.arrived.set()
        await self.over.wait()

    async def send(self, data: bytes) -> None:
        await self.arrived.wait()
        assert self.writer is not None
        self.writer.write(data)
        await self.writer.drain()


@pytest.fixture
async def script(upstream: ScriptedUpstream) -> AsyncIterator[Script]:
    script = Script(upstream)
    yield script
    script.over.set()


def post(gateway: Gateway, key: str, message: Any, **headers: str) -> Any:
    fields = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return gateway.session.post(gateway.url, json=message, headers=fields)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_each_event_is_sent_when_it_arrives(gateway: Gateway, script: Script, line_end: bytes) -> None:
    sending = asyncio.create_task(script.send(sse_head()))
    async with post(gateway, await gateway.key(), call()) as response:
        await sending
        assert response.headers["Content-Type"] == "text/event-stream"
        for message in (PROGRESS, PROGRESS, result()):
            event = sse_event(message, line_end)
            await script.send(chunk(event))
            assert await response.content.readexactly(len(event)) == event


TAILS = pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
MARK = b"\xef\xbb\xbf"


@TAILS
async def test_an_incomplete_last_event_is_counted_and_sent(
    gateway: Gateway, upstream: ScriptedUpstream, end: bytes
) -> None:
    stream = sse_event(PROGRESS) + b"data: " + json.dumps(result()).encode() + end
    upstream.answer = answer_raw(sse_head() + chunk(stream) + chunk(b""))
    async with post(gateway, await gateway.key(), call()) as response:
        assert await response.read() == stream
    assert [event.record_count for event in await gateway.events()] == [2]


async def test_half_a_result_at_the_end_of_a_stream_is_sent_and_not_counted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = b"data: " + json.dumps(result()).encode()[:-1]
    upstream.answer = answer_raw(sse_head() + chunk(stream) + chunk(b""))
    async with post(gateway, await gateway.key(), call()) as response:
        assert await response.read() == stream
    assert await gateway.events() == []


@TAILS
async def test_an_incomplete_last_event_is_withheld_from_a_key_limited_to_tables(
    gateway: Gateway, upstream: ScriptedUpstream, end: bytes
) -> None:
    tail = b"data: " + json.dumps(result()).encode() + end
    upstream.answer = answer_raw(sse_head() + chunk(sse_event(PROGRESS)) + chunk(tail) + chunk(b""))
    async with post(gateway, await gateway.key(allowed_tables=("prices",)), call()) as response:
        assert await response.read() == sse_event(PROGRESS)
    assert await gateway.events() == []


@pytest.mark.parametrize("allowed", [None, ("prices",), ("other",)])
async def test_an_event_after_a_byte_order_mark_is_counted_and_checked(
    gateway: Gateway, upstream: ScriptedUpstream, allowed: tuple[str, ...] | None
) -> None:
    stream = MARK + sse_event(result())
    upstream.answer = answer_raw(
        sse_head() + b"".join(chunk(stream[n : n + 2]) for n in range(0, len(stream), 2)) + chunk(b"")
    )
    async with post(gateway, await gateway.key(allowed_tables=allowed), call()) as response:
        assert (await response.read() == stream) is (allowed != ("other",))
    assert [event.status for event in await gateway.events()] == ["denied" if allowed == ("other",) else "ok"]


async def test_the_head_of_a_stream_is_sent_before_its_first_event(gateway: Gateway, script: Script) -> None:
    sending = asyncio.create_task(script.send(sse_head("Mcp-Session-Id: abc\r\n")))
    async with asyncio.timeout(30), post(gateway, await gateway.key(), call()) as response:
        await sending
        assert (response.status, response.headers["Mcp-Session-Id"]) == (200, "abc")


async def test_the_usage_event_is_recorded_before_the_last_bytes_of_the_response_are_sent(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_raw(http(json.dumps(result()).encode()))
    async with post(gateway, await gateway.key(), call()) as response:
        await response.read()
    (event,) = await gateway.events()
    assert (event.tool_name, event.table_names, event.record_count) == ("get", ("prices",), 2)
    assert (event.status, event.is_error, event.count_method != "unknown") == ("ok", False, True)


async def test_a_large_json_response_is_streamed_completely(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    wide = result(rows=20_000)
    wide["result"]["structuredContent"]["rows"] = [{"n": n, "text": "x" * 80} for n in range(20_000)]
    body = json.dumps(wide).encode()
    upstream.answer = answer_raw(http(body))
    async with post(gateway, await gateway.key(), call()) as response:
        assert response.headers["Content-Length"] == str(len(body))
        assert await response.read() == body
    (event,) = await gateway.events()
    assert (event.record_count, event.response_bytes) == (20_000, len(body))


async def test_an_error_object_is_a_call_with_is_error(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}
    upstream.answer = answer_raw(http(json.dumps(error).encode(), status="400 Bad Request"))
    async with post(gateway, await gateway.key(), call()) as response:
        assert response.status == 400
        await response.read()
    (event,) = await gateway.events()
    assert (event.is_error, event.status, event.record_count) == (True, "rpc_error", 0)


@pytest.mark.parametrize(
    "value",
    [
        {"jsonrpc": "2.0", "id": "1", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required", "inputRequests": {}}},
        {"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": "t", "status": "working"}}},
    ],
    ids=["another id", "input required", "a request of the server", "a task"],
)
async def test_a_message_that_completes_no_call_makes_no_event(
    gateway: Gateway, upstream: ScriptedUpstream, value: dict[str, Any]
) -> None:
    upstream.answer = answer_raw(http(json.dumps(value).encode()))
    async with post(gateway, await gateway.key(), call()) as response:
        assert await response.json() == value
    assert await gateway.events() == []


async def test_a_call_that_requires_input_is_counted_only_when_repeated_with_it(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        asks = {"resultType": "input_required", "inputRequests": {"who": {}}, "requestState": "s"}
        answered = "inputResponses" in request.message["params"]
        value = result() if answered else {"jsonrpc": "2.0", "id": 1, "result": asks}
        writer.write(sse_head() + chunk(sse_event(value)) + chunk(b""))

    upstream.answer = respond
    key = await gateway.key()
    headers = {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": "tools/call", "Mcp_Name": "get"}
    again = call()
    again["params"] |= {"inputResponses": {"who": {"action": "accept"}}, "requestState": "s"}
    for message, events in ((call(), 0), (again, 1)):
        async with post(gateway, key, message, Mcp_Param_Region="eu-1", **headers) as answered:
            assert answered.status == 200
            await answered.read()
        assert len(await gateway.events()) == events
    for request in upstream.requests:
        assert request.values("mcp-method") == [b"tools/call"]
        assert request.values("mcp-name") == [b"get"]
        assert request.values("mcp-param-region") == [b"eu-1"]
    assert await gateway.redis.keys("*awaited*") == []


async def test_a_usage_event_has_the_client_the_session_and_the_request(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_raw(http(json.dumps(result("a")).encode()))
    record, key = await gateway.new_key()
    info = {"io.modelcontextprotocol/clientInfo": {"name": "modern", "version": "9"}}
    message = call(id_="a", symbol="IBM")
    message["params"]["_meta"] = info
    async with post(gateway, key, message, Mcp_Session_Id="s-1", MCP_Protocol_Version="2025-11-25") as response:
        await response.read()
    (event,) = await gateway.events()
    assert (event.key_id, event.key_name, event.owner) == (record.key_id, "a key", "ann@example.com")
    assert (event.client_name, event.client_version, event.session_id) == ("modern", "9", "s-1")
    assert (event.request_id, event.protocol_version, event.client_ip) == ('"a"', "2025-11-25", "127.0.0.1")
    assert (event.gateway_id, len(event.arguments_hash)) == ("test-gateway", 16)
    assert 0 < event.duration_ms < 5000


async def test_events_are_metered_wherever_the_stream_is_split(gateway: Gateway, script: Script) -> None:
    stream = b": hello\n\n" + sse_event(PROGRESS) + sse_event(result(), b"\r\n")
    sending = asyncio.create_task(script.send(sse_head()))
    async with post(gateway, await gateway.key(), call()) as response:
        await sending
        for index in range(len(stream)):
            await script.send(chunk(stream[index : index + 1]))
        assert await response.content.readexactly(len(stream)) == stream
    (event,) = await gateway.events()
    assert event.record_count == 2


async def test_a_session_call_whose_client_disconnected_is_still_metered(gateway: Gateway, script: Script) -> None:
    asking = asyncio.create_task(script.send(sse_head() + chunk(sse_event(PROGRESS))))
    async with post(gateway, await gateway.key(), call(), Mcp_Session_Id="s") as response:
        await asking
        await response.content.readany()
        response.close()
    await script.send(chunk(sse_event(result())))
    (event,) = await gateway.until_events(1)
    assert event.record_count == 2


async def test_a_call_whose_client_disconnects_before_the_response_is_still_metered(
    gateway: Gateway, upstream: ScriptedUpstream, script: Script
) -> None:
    key = await gateway.key()
    asking = asyncio.create_task(post(gateway, key, call(), Mcp_Session_Id="s").__aenter__())
    await script.arrived.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: gateway.metrics.reasons == ["client_left"])
    await script.send(http(json.dumps(result()).encode()))
    (event,) = await gateway.until_events(1)
    assert event.record_count == 2


async def test_closing_the_stream_of_a_2026_07_28_call_ends_it_upstream(
    gateway: Gateway, upstream: ScriptedUpstream, script: Script
) -> None:
    asking = asyncio.create_task(script.send(sse_head() + chunk(sse_event(PROGRESS))))
    async with post(gateway, await gateway.key(), call(), MCP_Protocol_Version="2026-07-28") as response:
        await asking
        await response.content.readany()
        response.close()
    script.over.set()
    await until(lambda: not upstream.open_connections)
    assert await gateway.events() == []


async def test_a_listening_stream_ends_upstream_when_its_client_disconnects(
    gateway: Gateway, upstream: ScriptedUpstream, script: Script
) -> None:
    sending = asyncio.create_task(script.send(sse_head()))
    fields = {"Authorization": f"Bearer {await gateway.key()}", "Accept": "text/event-stream"}
    async with gateway.session.get(gateway.url, headers=fields) as response:
        await sending
        assert response.status == 200
        response.close()
    script.over.set()
    await until(lambda: not upstream.open_connections)


async def test_many_aborted_streams_leave_nothing_open_upstream(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    async def stream(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head() + chunk(sse_event(PROGRESS)))

    upstream.answer = stream
    key = await gateway.key()

    async def abort_one() -> None:
        async with post(gateway, key, call(), MCP_Protocol_Version="2026-07-28") as response:
            await response.content.readany()
            response.close()

    await asyncio.gather(*(abort_one() for _ in range(64)))
    await until(lambda: not (upstream.open_connections or gateway.pool.connections))


async def test_a_stream_that_is_incomplete_upstream_is_incomplete_for_the_client(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_raw(sse_head() + chunk(sse_event(PROGRESS)), close=True)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with post(gateway, await gateway.key(), call()) as response:
            await response.read()
    assert await gateway.events() == []


@pytest.mark.parametrize("end", ["revoked", "suspended", "expired", "transferred"])
async def test_the_stream_of_a_revoked_suspended_expired_or_transferred_key_is_closed_within_a_second_even_if_idle(
    gateway: Gateway, script: Script, end: str
) -> None:
    from gateway.timestamps import now_ms

    sending = asyncio.create_task(script.send(sse_head()))
    record, key = await gateway.new_key(expires_at=now_ms() + 400 if end == "expired" else None)
    fields = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with gateway.session.get(gateway.url, headers=fields) as response:
        await sending
        if end == "revoked":
            await gateway.keys.revoke(record.key_id)
        elif end == "suspended":
            await gateway.keys.suspend(record.key_id, OPERATOR)
        elif end == "transferred":
            await gateway.keys.transfer(record.key_id, "bob@example.com")
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await response.content.read()


async def test_usage_is_spooled_before_the_response_while_redis_is_down(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.answer = answer_raw(http(json.dumps(result()).encode()))
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(own, valkey.url, upstream.url, tmp_path / "data") as gateway,
    ):
        key = await gateway.key()
        async with post(gateway, key, call()) as response:
            assert response.status == 200
        valkey.kill()
        async with post(gateway, key, call()) as response:
            assert response.status == 200, "a cached key works while Redis is unavailable"
            await response.read()
        assert any(file.stat().st_size for file in (tmp_path / "data" / "spool").iterdir())
        valkey.start()
        assert len({event.event_id for event in await gateway.until_events(2)}) == 2


async def test_the_tool_catalog_observes_lists_of_tools(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    tool = {"name": "get", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}}
    listed = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}
    upstream.answer = answer_raw(http(json.dumps(listed).encode()))
    async with post(gateway, await gateway.key(), {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}) as response:
        assert await response.json() == listed
    await until(lambda: gateway.redis.keys("*tools*"))
