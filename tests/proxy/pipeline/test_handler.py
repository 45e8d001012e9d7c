"""The response to every type of request. A rejected request never reaches the upstream."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.keys.changes import OPERATOR
from gateway.keys.secret import ApiKey
from tests.proxy.keep_alive import warm_client
from tests.support.gateway import INITIALIZE, Gateway, call, running_gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
    answer_json,
    answer_raw,
    answer_result,
    http,
    sse_head,
)
from tests.support.waiting import until
from tests.support.wire import answers_in

PING = {"jsonrpc": "2.0", "id": "p", "method": "ping"}


def assert_denied(response: Any, upstream: ScriptedUpstream, status: int, code: int, id_: Any = None) -> None:
    assert (response.status, response.error["code"], response.json["id"]) == (status, code, id_)
    assert response.json["jsonrpc"] == "2.0"
    assert response.headers["Content-Type"].startswith("application/json")
    assert upstream.requests == []


async def test_initialize_is_forwarded_without_a_key(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_result({"protocolVersion": "2025-11-25"})
    response = await gateway.post(INITIALIZE)
    assert response.status == 200
    assert response.json["result"] == {"protocolVersion": "2025-11-25"}
    assert upstream.requests[0].message == INITIALIZE


async def test_any_other_request_without_a_key_is_401(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    response = await gateway.post(PING)
    assert_denied(response, upstream, 401, -32001, "p")
    assert response.error["message"] == "API key required"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="mcp"'


async def bad_keys(gateway: Gateway) -> list[str]:
    """Return values of `Authorization` with keys that are revoked, suspended, expired, unknown and malformed."""
    record, revoked = await gateway.new_key()
    await gateway.keys.revoke(record.key_id)
    record, suspended = await gateway.new_key()
    await gateway.keys.suspend(record.key_id, OPERATOR)
    keys = [revoked, suspended, await gateway.expired_key(), ApiKey.generate().text, "sk-nonsense"]
    return [*(f"Bearer {key}" for key in keys), "Basic abc"]


async def test_a_bad_key_is_refused_at_the_handshake_like_at_any_other_request(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    discover = {"jsonrpc": "2.0", "id": 0, "method": "server/discover"}
    for authorization in await bad_keys(gateway):
        expected = await gateway.post({**PING, "id": 0}, Authorization=authorization)
        for message in (INITIALIZE, discover):
            response = await gateway.post(message, Authorization=authorization)
            assert (response.status, response.body) == (401, expected.body)
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="mcp", error="invalid_token"'
        assert (await gateway.post(initialized, Authorization=authorization)).status == 401
    assert upstream.requests == []


async def test_a_bad_key_at_the_handshake_counts_as_none_if_that_is_configured(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, bad_key_on_public="ignore") as gateway:
        for authorization in await bad_keys(gateway):
            assert (await gateway.post(INITIALIZE, Authorization=authorization)).status == 200
            assert (await gateway.post(PING, Authorization=authorization)).status == 401


async def test_every_bad_key_gets_the_same_response(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    record, revoked = await gateway.new_key()
    await gateway.keys.revoke(record.key_id)
    expired = await gateway.expired_key()
    unknown = await gateway.key()
    await gateway.redis.flushall()
    keys = [revoked, expired, unknown, "sk-nonsense", "x", "*", unknown[:-1] + ("0" if unknown[-1] != "0" else "1")]
    responses = [await gateway.post(PING, key) for key in keys]
    responses.append(await gateway.post(PING, Authorization=f"Basic {unknown}"))
    responses.append(await gateway.post(PING, Authorization="Bearer"))
    assert {(response.status, response.body, response.headers["WWW-Authenticate"]) for response in responses} == {
        (401, responses[0].body, 'Bearer realm="mcp", error="invalid_token"')
    }
    assert_denied(responses[0], upstream, 401, -32001, "p")
    assert responses[0].error["message"] == "Invalid or expired API key"
    assert "resource_metadata" not in responses[0].headers["WWW-Authenticate"]


async def test_metrics_have_the_reason_why_a_key_was_refused(gateway: Gateway) -> None:
    await gateway.post(PING, await gateway.expired_key())
    await gateway.post(PING, "sk-nonsense")
    await gateway.post(PING)
    assert gateway.metrics.reasons == ["expired", "malformed", "no_key"]


async def test_a_request_with_a_valid_key_is_forwarded_byte_for_byte(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    params = b'{"name":"t", "arguments":{"a": "\\u00e9\xc3\xa9"}}'
    body = b' {"params" : ' + params + b',\n"method":"tools/call","id":7,"jsonrpc":"2.0"} '
    upstream.answer = answer_raw(http(b'{"jsonrpc": "2.0", "id": 7,  "result": {"content": []}}'))
    response = await gateway.post(body, await gateway.key())
    assert response.body == b'{"jsonrpc": "2.0", "id": 7,  "result": {"content": []}}'
    assert upstream.requests[0].body == body
    assert upstream.requests[0].line == b"POST /mcp HTTP/1.1"


async def test_both_configured_paths_are_the_endpoint(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    for path in ("/mcp", "/messages", "/messages?a=b", "/mcp/", "/messages/?a=b"):
        assert (await gateway.request("POST", path, key=key, data=PING)).status == 200
    assert [request.line for request in upstream.requests][2] == b"POST /mcp?a=b HTTP/1.1"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/mcp//", "//mcp", "//messages/", "/%6dcp", "/mcp%2f", "/mcp;x", "/MCP", "/x/../mcp", "/mcp%00"),
        *("/.well-knownx", "/x/register", "/token/", "/sse"),
    ],
)
async def test_every_other_path_is_404_from_the_gateway(
    gateway: Gateway, upstream: ScriptedUpstream, path: str
) -> None:
    key = await gateway.key()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    body = json.dumps(PING)
    raw = await gateway.raw(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    assert raw.startswith(b"HTTP/1.1 404 ")
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["message"] == "Not found"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"allowed_tools": ("list_*",)}, "This API key may not call query; allowed: list_*"),
        ({"allowed_tables": ("prices",)}, "This API key may not read the table secrets; allowed: prices"),
        ({"allowed_ips": ("10.0.0.0/8",)}, "This API key may not be used from the address 127.0.0.1"),
    ],
)
async def test_a_key_without_permission_is_403(
    gateway: Gateway, upstream: ScriptedUpstream, fields: dict[str, Any], message: str
) -> None:
    response = await gateway.post(call("query", sql="select * from secrets"), await gateway.key(**fields))
    assert_denied(response, upstream, 403, -32001, 1)
    assert response.error["message"] == message


async def test_a_public_request_with_a_key_from_a_forbidden_address_is_anonymous(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 0, "result": {}}, extra="Mcp-Session-Id: s-1\r\n")
    assert (await gateway.post(INITIALIZE, await gateway.key(allowed_ips=("10.0.0.0/8",)))).status == 200
    assert (await gateway.post(PING, await gateway.key("bob@example.com"), Mcp_Session_Id="s-1")).status == 200


async def test_a_key_with_permission_is_forwarded_and_metered(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key(allowed_tools=("qu*",), allowed_tables=("prices",), allowed_ips=("127.0.0.0/8",))
    upstream.answer = answer_result({"content": [], "structuredContent": {"table": "prices", "rows": [1, 2]}})
    response = await gateway.post(call("query", sql="select * from prices"), key)
    assert response.status == 200
    assert [event.record_count for event in await gateway.events()] == [2]


async def test_a_result_with_a_table_that_is_not_allowed_does_not_reach_the_client(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    upstream.answer = answer_result({"content": [], "structuredContent": {"table": "secrets", "rows": ["hidden"]}})
    response = await gateway.post(call("fetch"), key)
    assert b"hidden" not in response.body
    assert (response.json["id"], response.error["code"]) == (1, -32001)
    assert [(event.status, event.record_count) for event in await gateway.events()] == [("denied", 0)]


async def test_a_key_limited_to_tables_gets_no_resumed_result_of_an_unknown_call(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "secret": "hidden"}})
    response = await gateway.request("GET", key=await gateway.key(allowed_tables=("prices",)), Last_Event_ID="7")
    assert (response.status, response.json["id"], response.error["code"]) == (200, 1, -32001)
    assert b"hidden" not in response.body


async def test_allowed_tools_filter_the_list_of_tools(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_result({"tools": [{"name": "get_a"}, {"name": "drop_b"}], "nextCursor": "c"})
    listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    response = await gateway.post(listed, await gateway.key(allowed_tools=("get_*",)))
    assert response.json["result"] == {"tools": [{"name": "get_a"}], "nextCursor": "c"}


async def test_an_exceeded_rate_limit_is_429_with_retry_after(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key(rate_limit_per_minute=2)
    assert [(await gateway.post(PING, key)).status for _ in range(2)] == [200, 200]
    upstream.requests.clear()
    response = await gateway.post(PING, key)
    assert_denied(response, upstream, 429, -32001, "p")
    assert 1 <= int(response.headers["Retry-After"]) <= 64
    assert "2 requests a minute" in response.error["message"]
    assert "resets at" in response.error["message"]


async def test_a_batch_with_too_many_calls_of_a_tool_is_429_and_consumes_nothing(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(tool_rate_limits={"get*": 2}, calls_per_month=3)
    batch = [call("get_a", id_=1), call("get_b", id_=2), call("get_a", id_=3)]
    response = await gateway.post(batch, key)
    assert (response.status, upstream.requests) == (429, [])
    assert 1 <= int(response.headers["Retry-After"]) <= 64
    assert "2 calls of get* a minute; it resets at " in response.error["message"]
    upstream.answer = answer_result({"content": []})
    for tool, status in (("get_a", 200), ("get_b", 200), ("get_a", 429), ("run", 200)):
        assert (await gateway.post(call(tool), key)).status == status
    response = await gateway.post(call("run"), key)
    assert response.status == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 31 * 86_400
    assert "3 tool calls a month; it resets at " in response.error["message"]


async def test_exceeded_daily_calls_are_429_while_other_requests_are_forwarded(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(calls_per_day=1)
    upstream.answer = answer_result({"content": []})
    assert (await gateway.post(call(), key)).status == 200
    assert (await gateway.post(call(), key)).status == 429
    assert (await gateway.post(PING, key)).status == 200


async def test_the_call_that_exceeds_the_daily_records_is_answered_and_the_next_is_429(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(records_per_day=3)
    upstream.answer = answer_result({"content": [], "structuredContent": {"table": "t", "rows": [1, 2]}})
    assert [(await gateway.post(call(), key)).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\xef\xbb\xbf" + json.dumps(PING).encode(),
        json.dumps(PING).encode("utf-16"),
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1}',
        b"[]",
    ],
)
@pytest.mark.parametrize("has_key", [True, False])
async def test_a_body_that_is_not_json_rpc_is_400(
    gateway: Gateway, upstream: ScriptedUpstream, body: bytes, has_key: bool
) -> None:
    response = await gateway.post(body, await gateway.key() if has_key else None)
    assert response.status == 400
    assert response.error["code"] in (-32700, -32600)
    assert upstream.requests == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_an_encoded_body_is_415(gateway: Gateway, upstream: ScriptedUpstream, encoding: str) -> None:
    response = await gateway.post(b"\x1f\x8b...", await gateway.key(), Content_Encoding=encoding)
    assert_denied(response, upstream, 415, -32600)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-16", "application/jsonx"])
async def test_another_content_type_is_415(gateway: Gateway, upstream: ScriptedUpstream, content_type: str) -> None:
    response = await gateway.post(PING, await gateway.key(), Content_Type=content_type)
    assert_denied(response, upstream, 415, -32600)


async def test_a_batch_needs_a_key(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    assert_denied(await gateway.post([INITIALIZE]), upstream, 401, -32001)


async def test_each_call_of_a_batch_is_metered(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    results = [
        {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": {"table": "t", "rows": [1] * n}}}
        for id_, n in (("1", 5), (1, 2))
    ]
    upstream.answer = answer_json(results)
    response = await gateway.post([call(id_=1), call(id_="1"), PING], await gateway.key())
    assert response.json == results
    counted = {event.request_id: event.record_count for event in await gateway.events()}
    assert counted == {'"1"': 5, "1": 2}


async def test_one_forbidden_element_rejects_the_batch(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    response = await gateway.post([call("get"), call("drop", 2)], await gateway.key(allowed_tools=("get",)))
    assert_denied(response, upstream, 403, -32001)


@pytest.mark.parametrize("headers", [{"Mcp_Method": "tools/list"}, {"Mcp_Name": "other"}])
async def test_routing_headers_that_differ_from_the_body_are_400(
    gateway: Gateway, upstream: ScriptedUpstream, headers: dict[str, str]
) -> None:
    assert_denied(await gateway.post(call(), await gateway.key(), **headers), upstream, 400, -32020, 1)


async def test_an_unreachable_upstream_is_502(redis: Redis, valkey_url: str, tmp_path: Path) -> None:
    async with running_gateway(redis, valkey_url, "http://127.0.0.1:9/mcp", tmp_path) as gateway:
        response = await gateway.post(call(), await gateway.key())
    assert (response.status, response.json["id"]) == (502, 1)
    assert gateway.metrics.phases == ["connect"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(300)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
    ids=lambda raw: str(raw[:60]),
)
async def test_a_response_that_is_incomplete_or_not_strict_http_is_502(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.answer = answer_raw(raw, close=True)
    assert (await gateway.post(call(), await gateway.key())).status == 502
    assert len(upstream.requests) == 1, "a call is never sent twice"


async def test_an_upstream_that_is_too_slow_is_504_and_the_call_is_not_sent_twice(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.answer = answer_raw(b"")
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, first_byte_timeout=0.3) as gateway:
        response = await gateway.post(call(), await gateway.key())
    assert response.status == 504
    assert gateway.metrics.phases == ["first_byte"]
    assert len(upstream.requests) == 1


async def test_an_incomplete_response_never_looks_complete(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"10000\r\n"
        + b"x" * 0x10000
        + b"\r\n10000\r\n"
        + b"y" * 0x8000,
        close=True,
    )
    body = json.dumps(PING).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {await gateway.key()}\r\n"
    raw = await gateway.raw(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    assert raw.startswith((b"HTTP/1.1 502", b"HTTP/1.1 200"))
    assert not raw.endswith(b"0\r\n\r\n")


async def test_requests_beyond_the_concurrency_limit_are_503_with_retry_after(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def wait(_request: Any, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await release.wait()
        writer.write(http(b"{}"))

    upstream.answer = wait
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_concurrent_requests=1) as gateway:
        key = await gateway.key()
        first = asyncio.create_task(gateway.post(PING, key))
        await arrived.wait()
        second = await gateway.post(PING, key)
        release.set()
        assert (await first).status == 200
    assert (second.status, second.headers["Retry-After"]) == (503, "1")
    assert len(upstream.requests) == 1


async def test_listening_streams_take_no_capacity_from_requests(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async def respond(request: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head() if request.line.startswith(b"GET ") else http(b"{}"))

    upstream.answer = respond
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_concurrent_requests=1) as gateway:
        key = await gateway.key()
        fields = {"Authorization": f"Bearer {key}"}
        async with gateway.session.get(gateway.url, headers=fields):
            assert (await gateway.post(PING, key)).status == 200
            assert (await gateway.request("GET", key=key)).status == 503


async def test_clients_without_a_key_take_no_capacity_from_those_with_one(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    slow = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_concurrent_requests=4) as gateway:
        key = await gateway.key()
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(slow)

        async def is_overloaded() -> bool:
            return (await gateway.post(INITIALIZE)).status == 503

        await until(is_overloaded)
        responses = await asyncio.gather(*(gateway.post(PING, key) for _ in range(4)))
        writer.close()
    assert [response.status for response in responses] == [200] * 4


async def test_a_key_that_cannot_be_checked_is_503(
    valkey_url: str, redis: Redis, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, "unix:///nonexistent/valkey.sock", upstream.url, tmp_path) as gateway:
        response = await gateway.post(PING, await gateway.key())
    assert (response.status, "Retry-After" in response.headers) == (503, True)
    assert upstream.requests == []


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_beyond_the_limit_is_413(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, chunked: bool
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_request_bytes=1000) as gateway:
        key = await gateway.key()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1001"
        body = b"3e9\r\n" + b" " * 1001 if chunked else b""
        head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "
        raw = await gateway.raw(head + key.encode() + b"\r\n" + framing + b"\r\n\r\n" + body)
    assert raw.startswith(b"HTTP/1.1 413 ")
    assert upstream.requests == []


async def test_a_large_body_without_a_key_is_not_read(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    assert (await gateway.raw(head)).startswith(b"HTTP/1.1 401 ")
    assert upstream.requests == []


async def test_100_continue_without_a_key_is_401_before_the_body(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 40\r\n"
    assert (await gateway.raw(head + b"Expect: 100-continue\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
    assert (await gateway.raw(head + b"Expect: junk\r\n\r\n")).startswith(b"HTTP/1.1 417 ")


async def test_a_suspended_key_is_refused_until_it_is_resumed(gateway: Gateway) -> None:
    record, key = await gateway.new_key()
    assert (await gateway.post(PING, key)).status == 200
    await gateway.keys.suspend(record.key_id, OPERATOR)
    await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
    refused = await gateway.post(PING, key)
    unknown = await gateway.post(PING, ApiKey.generate().text)
    assert (refused.status, refused.body) == (401, unknown.body)
    await gateway.keys.resume(record.key_id, OPERATOR)
    await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
    assert (await gateway.post(PING, key)).status == 200


@pytest.mark.parametrize("reason", ["unknown", "revoked", "malformed"])
@pytest.mark.parametrize("framing", ["Content-Length: 4000000", "Transfer-Encoding: chunked"])
async def test_a_large_body_with_a_bad_key_is_not_read(
    gateway: Gateway, upstream: ScriptedUpstream, reason: str, framing: str
) -> None:
    record, key = await gateway.new_key()
    if reason == "revoked":
        await gateway.keys.revoke(record.key_id)
    elif reason == "unknown":
        await gateway.redis.flushall()
    else:
        key = "sk-nonsense"
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{framing}\r\n"
    body = b"20000\r\n" + b" " * 0x20000 if "chunked" in framing else b""
    raw = await gateway.raw(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    assert raw.startswith(b"HTTP/1.1 401 ")
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["message"] == "Invalid or expired API key"
    assert upstream.requests == []


async def test_a_key_that_is_revoked_while_a_body_arrives_is_refused(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    record, key = await gateway.new_key()
    assert (await gateway.post(PING, key)).status == 200
    body = json.dumps(PING).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head.encode() + body[:5])
    await until(lambda: gateway.active_requests == 1)
    await gateway.keys.revoke(record.key_id)
    await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
    writer.write(body[5:])
    assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
    writer.close()
    assert len(upstream.requests) == 1


async def test_100_continue_with_an_unknown_key_is_401_before_the_body(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    await gateway.redis.flushall()
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\n"
    raw = await gateway.raw(f"{head}Content-Type: application/json\r\nContent-Length: 40\r\n\r\n".encode())
    assert raw.startswith(b"HTTP/1.1 401 ")


async def test_100_continue_with_a_key_gets_100(gateway: Gateway) -> None:
    body = json.dumps(PING).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {await gateway.key()}\r\nConnection: close\r\n"
    )
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    raw = await gateway.raw(head.encode() + body)
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_get_and_delete_need_a_key(gateway: Gateway, upstream: ScriptedUpstream, method: str) -> None:
    assert_denied(await gateway.request(method), upstream, 401, -32001)
    key = await gateway.key()
    assert (await gateway.request(method, key=key)).status == 200
    assert upstream.requests[0].line == f"{method} /mcp HTTP/1.1".encode()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_head_and_options_are_answered_by_the_gateway(
    gateway: Gateway, upstream: ScriptedUpstream, method: str
) -> None:
    assert (await gateway.request(method, key=await gateway.key())).status in (200, 204)
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "PROPFIND"])
async def test_other_methods_are_405(gateway: Gateway, upstream: ScriptedUpstream, method: str) -> None:
    response = await gateway.request(method, key=await gateway.key())
    assert (response.status, upstream.requests) == (405, [])
    assert "POST" in response.headers["Allow"]


async def test_browsers_may_read_responses_and_the_session_id(gateway: Gateway) -> None:
    for response in (
        await gateway.post(PING, Origin="http://localhost:1"),
        await gateway.post(INITIALIZE, Origin="http://localhost:1"),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:1"
        assert "Mcp-Session-Id" in response.headers["Access-Control-Expose-Headers"]


async def test_a_foreign_origin_is_403_and_a_foreign_host_421(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    assert_denied(await gateway.post(PING, key, Origin="http://evil.example"), upstream, 403, -32001)
    assert_denied(await gateway.post(PING, key, Host="evil.example"), upstream, 421, -32001)


async def test_health_and_readiness(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    assert (await gateway.request("GET", "/healthz")).status == 200
    assert (await gateway.request("GET", "/readyz")).status == 200
    assert upstream.requests == []


async def test_probes_are_answered_for_any_host(gateway: Gateway) -> None:
    assert (await gateway.request("GET", "/readyz", Host="10.1.2.3:8001")).status == 200


async def test_not_ready_while_the_upstream_is_unreachable(redis: Redis, valkey_url: str, tmp_path: Path) -> None:
    async with running_gateway(redis, valkey_url, "http://127.0.0.1:9/mcp", tmp_path) as gateway:
        assert (await gateway.request("GET", "/readyz")).status == 503


async def test_request_headers_are_rebuilt(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await gateway.post(
        PING,
        await gateway.key(),
        Cookie="a=b",
        X_MCP_Owner="root",
        X_Forwarded_For="1.2.3.4",
        X_Custom="kept",
        Accept_Encoding="gzip",
        MCP_Protocol_Version="2025-11-25",
    )
    request = upstream.requests[0]
    assert request.values("host") == [upstream.url.split("/")[2].encode()]
    assert request.values("authorization") == request.values("cookie") == request.values("x-mcp-owner") == []
    assert request.values("x-forwarded-for") == [b"127.0.0.1"]
    assert request.values("x-custom") == [b"kept"]
    assert request.values("accept-encoding") == [b"identity"]
    assert request.values("mcp-protocol-version") == [b"2025-11-25"]
    assert request.values("accept") == [b"application/json, text/event-stream"]


async def test_the_upstreams_credential_and_the_identity_are_sent_if_configured(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(
        redis, valkey_url, upstream.url, tmp_path, upstream_authorization="Bearer up", forward_identity=True
    ) as gateway:
        record, key = await gateway.new_key()
        await gateway.post(PING, key, X_MCP_Key_Id="forged")
    request = upstream.requests[0]
    assert request.values("authorization") == [b"Bearer up"]
    assert request.values("x-mcp-key-id") == [record.key_id.encode()]
    assert request.values("x-mcp-owner") == [b"ann@example.com"]


async def test_a_response_is_delivered_unchanged(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nX-Custom: \xc3\xa9\r\nX-Two: a=1\r\nX-Two: b=2\r\n\r\n"
    )
    response = await gateway.post({"jsonrpc": "2.0", "method": "notifications/cancelled"}, await gateway.key())
    assert (response.status, response.body, "Content-Type" in response.headers) == (202, b"", False)
    assert response.headers.getall("X-Two") == ["a=1", "b=2"]
    assert response.headers["X-Custom"].encode("utf-8", "surrogateescape") == b"\xc3\xa9"


@pytest.mark.parametrize("error", [RuntimeError, ConnectionRefusedError, TimeoutError])
async def test_an_error_in_the_gateway_is_500_without_details(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(_body: bytes) -> Any:
        raise error("details")

    monkeypatch.setattr("gateway.proxy.pipeline.mcp_endpoint.parse_body", fails)
    response = await gateway.post(PING)
    assert_denied(response, upstream, 500, -32603)
    assert "details" not in response.body.decode()
    assert response.headers["Server"] == "mcp-gateway"
    assert gateway.metrics.reasons == ["internal"]


async def test_a_page_can_read_that_its_method_is_not_allowed(gateway: Gateway) -> None:
    response = await gateway.request("PUT", Origin="http://localhost:5173")
    assert response.status == 405
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert gateway.metrics.reasons == ["method"]


@pytest.mark.parametrize("value", ['"\\ud800 and more"', "1e400", '["\\udfff", -1e999, {"a": "\\ud800"}]'])
async def test_arguments_that_javascript_writes_are_forwarded_and_metered(
    gateway: Gateway, upstream: ScriptedUpstream, value: str
) -> None:
    upstream.answer = answer_result({"content": [], "structuredContent": {"rows": [1, 2]}})
    raw = json.dumps(call("query", table="prices", q="Q")).replace('"Q"', value).encode()
    record, key = await gateway.new_key()
    async with warm_client(gateway, upstream, key) as client:
        assert (await gateway.post(raw, key)).status == 200
        assert [answer.status for answer in answers_in(await client.exchange(raw))] == [200]
    assert [sent.body for sent in upstream.requests] == [raw, raw]
    events = await gateway.until_events(3)
    assert {(event.key_id, event.record_count, event.status) for event in events[1:]} == {(record.key_id, 2, "ok")}
    assert [event.table_names for event in events[1:]] == [("prices",)] * 2


async def test_arguments_that_are_not_strict_are_refused_to_a_key_limited_to_tables(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    raw = json.dumps(call("query", table="prices", q="Q")).replace('"Q"', '"\\ud800"').encode()
    response = await gateway.post(raw, await gateway.key(allowed_tables=("prices",)))
    assert (response.status, upstream.requests) == (403, [])
    assert "cannot be known" in response.error["message"]
