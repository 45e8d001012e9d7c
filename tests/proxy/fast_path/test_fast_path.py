"""Fast path and general path are indistinguishable: in requests upstream, responses, and usage events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.keys.changes import OPERATOR
from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from tests.proxy.fast_path.messages import FAST_PATH_REQUESTS, GENERAL_PATH_REQUESTS
from tests.proxy.fast_path.responses import (
    CLOSING_RESPONSES,
    LARGE_RESPONSES,
    OTHER_RESPONSES,
    SINGLE_RESULT_RESPONSES,
    response_with,
)
from tests.proxy.keep_alive import (
    RESULT,
    SINGLE_RESULT,
    KeepAliveClient,
    PathRecorder,
    in_segments,
    keep_alive,
    limited_gateway,
    warm_client,
    without_date,
    without_time,
)
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import (
    Request,
    ScriptedUpstream,
    answer_raw,
    http,
)
from tests.support.waiting import until
from tests.support.wire import answers_in


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> PathRecorder:
    return PathRecorder(monkeypatch)


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> AsyncIterator[Gateway]:
    async with limited_gateway(redis, valkey_url, upstream, tmp_path, max_request_bytes=10_000) as gateway:
        yield gateway


class Effects(NamedTuple):
    """All observable effects of one request."""

    response: bytes
    is_closed: bool
    sent: list[tuple[bytes, bytes]]
    """Heads and bodies of the requests to the upstream."""
    events: list[UsageEvent]
    metrics: list[str]
    """Reasons and phases that were counted."""


async def observe(gateway: Gateway, upstream: ScriptedUpstream, client: KeepAliveClient, data: Any) -> Effects:
    events, reasons, phases = len(await gateway.events()), len(gateway.metrics.reasons), len(gateway.metrics.phases)
    upstream.requests.clear()
    response = await client.exchange(data)
    await until(lambda: len(gateway.metrics.reasons) > reasons)
    return Effects(
        without_date(response),
        await client.is_closed(),
        [(sent.head, sent.body) for sent in upstream.requests],
        [without_time(event) for event in (await gateway.events())[events:]],
        gateway.metrics.reasons[reasons:] + gateway.metrics.phases[phases:],
    )


async def on_both_paths(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    key: str,
    data: Any,
    *fields: bytes,
    version: bytes = b"1.1",
) -> tuple[Effects, Effects]:
    """Make a request as the first of its connection, and on a connection where it may take the fast path."""
    async with keep_alive(gateway, key, *fields, version=version) as client:
        first = await observe(gateway, upstream, client, data)
    async with warm_client(gateway, upstream, key, *fields, version=version) as client:
        second = await observe(gateway, upstream, client, data)
    return first, second


CLIENTS: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "1.1": (b"1.1", ()),
    "1.0": (b"1.0", (b"Connection: keep-alive",)),
    "browser": (b"1.1", (b"Origin: http://localhost:5173", b"User-Agent: page/1")),
    "session": (b"1.1", (b"Mcp-Session-Id: s-1", b"MCP-Protocol-Version: 2025-11-25", b"Mcp-Method: tools/call")),
}


@pytest.mark.parametrize("name", SINGLE_RESULT_RESPONSES)
async def test_a_single_result_response_has_the_same_bytes_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    upstream.answer = answer_raw(SINGLE_RESULT_RESPONSES[name])
    key = await gateway.key()
    for client, (version, fields) in CLIENTS.items():
        paths.taken.clear()
        first, second = await on_both_paths(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert [event.status for event in second.events] == ["tool_error" if "tool" in name else "ok"]
        assert second.metrics == ["forwarded"]
        # HTTP/1.0 has no chunked encoding, and is rare.
        assert paths.taken == ["general", "general", "general" if client == "1.0" else "fast"]


@pytest.mark.parametrize("name", OTHER_RESPONSES)
async def test_any_other_response_has_the_same_bytes_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    upstream.answer = answer_raw(OTHER_RESPONSES[name])
    key = await gateway.key()
    for client, (version, fields) in CLIENTS.items():
        paths.taken.clear()
        first, second = await on_both_paths(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert paths.taken == ["general", "general", *(["general"] if client == "1.0" else ["fast", "fell back"])]


@pytest.mark.parametrize("name", CLOSING_RESPONSES)
async def test_an_upstream_that_closes_its_connection_has_the_same_result_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    upstream.answer = answer_raw(CLOSING_RESPONSES[name], close=True)
    key = await gateway.key()
    for client, (version, fields) in CLIENTS.items():
        paths.taken.clear()
        first, second = await on_both_paths(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert len(second.sent) == 1, "a call is never sent twice"
        assert paths.taken[:3] == ["general", "general", "general" if client == "1.0" else "fast"]


@pytest.mark.parametrize("name", ["json", "json in chunks", "events in chunks", "events with crlf"])
async def test_a_response_in_two_segments_is_the_same_wherever_it_is_split(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    raw = SINGLE_RESULT_RESPONSES[name]
    key = await gateway.key()
    async with warm_client(gateway, upstream, key) as client:
        upstream.answer = answer_raw(raw)
        whole = without_date(await client.exchange(call()))
        for cut in range(1, len(raw)):
            upstream.answer = in_segments(raw[:cut], raw[cut:])
            assert parse_response(await client.exchange(call())) == parse_response(whole), cut
    assert len({without_time(event) for event in await gateway.events()}) == 1
    assert len(await gateway.events()) == len(raw) + 1
    assert paths.taken.count("fast") == len(raw)


@pytest.mark.parametrize("name", LARGE_RESPONSES)
async def test_a_large_response_is_the_same_on_both_paths_wherever_it_is_split(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    raw = LARGE_RESPONSES[name]
    upstream.answer = answer_raw(raw)
    key = await gateway.key()
    first, second = await on_both_paths(gateway, upstream, key, call())
    assert first == second
    assert second.response.count(b'"n":14999}') == 1
    async with warm_client(gateway, upstream, key) as client:
        for cut in [*range(50, 250, 10), 65_536, 100_000, len(raw) - 65_600, *range(len(raw) - 12, len(raw))]:
            upstream.answer = in_segments(raw[:cut], raw[cut:])
            assert parse_response(await client.exchange(call())) == parse_response(first.response), cut
            assert paths.taken.pop() in ("fast", "fell back")
    large = [event for event in await gateway.events() if event.record_count == 15_000]
    assert len(large) == 2 + 20 + 3 + 12
    assert len({without_time(event) for event in large}) == 1


@pytest.mark.parametrize("missing", [1, 5, 70_000, 140_000])
@pytest.mark.parametrize("name", LARGE_RESPONSES)
async def test_an_incomplete_large_response_never_looks_complete(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str, missing: int
) -> None:
    upstream.answer = answer_raw(LARGE_RESPONSES[name][:-missing], close=True)
    for version, fields in CLIENTS.values():
        for broken in await on_both_paths(gateway, upstream, await gateway.key(), call(), *fields, version=version):
            head, _, body = broken.response.partition(b"\r\n\r\n")
            if b" 502 " not in head:
                assert broken.is_closed
                assert b"chunked" in head or b"Content-Length: %d\r\n" % len(body) not in head + b"\r\n"
                assert not body.endswith(b"0\r\n\r\n")
            assert broken.metrics[-1] == "answer"
            # If the only event was complete, it was counted although its stream was not.
            assert len(broken.events) <= (missing < 70_000 and "chunks" in name)
    assert "fast" in paths.taken


def parse_response(raw: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    (response,) = answers_in(without_date(raw))
    return response.status, response.fields, response.body


@pytest.mark.parametrize("closes", [True, False])
async def test_an_idle_connection_that_the_upstream_closes_loses_no_response(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, closes: bool
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(http(SINGLE_RESULT))

    upstream.answer = respond
    async with keep_alive(gateway, await gateway.key()) as client:
        for _ in range(4):
            assert (await client.exchange(call())).endswith(SINGLE_RESULT)
            if closes:
                writers[-1].transport.abort()
    assert len(await gateway.events()) == 4
    assert paths.taken == ["general", *(["general"] if closes else ["fast"]) * 3]


async def test_an_upstream_that_is_too_slow_is_504_and_the_call_is_not_sent_twice(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> None:
    upstream.answer = answer_raw(b"")
    async with limited_gateway(redis, valkey_url, upstream, tmp_path, first_byte_timeout=0.3) as gateway:
        first, second = await on_both_paths(gateway, upstream, await gateway.key(), call())
        assert first == second
        assert second.response.startswith(b"HTTP/1.1 504 ")
        assert second.metrics == ["upstream_timeout", "first_byte"] or second.metrics[-1] == "first_byte"
        assert len(second.sent) == 1
    assert paths.taken[:4] == ["general", "general", "fast", "fell back"]


# Types of requests.


async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
    """Respond to each request with a result, to a batch with a batch."""
    message = request.message
    if isinstance(message, dict) and "id" not in message:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        return
    responses = [{"jsonrpc": "2.0", "id": one["id"], "result": RESULT} for one in _listed(message)]
    writer.write(http(msgspec.json.encode(responses if isinstance(message, list) else responses[0])))


def _listed(message: Any) -> list[Any]:
    return message if isinstance(message, list) else [message]


@pytest.mark.parametrize("name", [*FAST_PATH_REQUESTS, *GENERAL_PATH_REQUESTS])
async def test_every_request_is_forwarded_answered_and_counted_the_same_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    upstream.answer = echo
    requests = {**FAST_PATH_REQUESTS, **GENERAL_PATH_REQUESTS}
    first, second = await on_both_paths(gateway, upstream, await gateway.key(), requests[name])
    assert first == second
    assert len(second.metrics) == 1
    assert paths.last == ("fast" if name in FAST_PATH_REQUESTS else "general")


@pytest.mark.parametrize("name", ["arguments", "ping", "a batch"])
@pytest.mark.parametrize("fields", [(b"Mcp-Method: tools/call", b"Mcp-Name: get"), (b"Mcp-Name: get",)])
async def test_routing_headers_that_differ_from_the_body_are_400_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str, fields: tuple[bytes, ...]
) -> None:
    upstream.answer = echo
    requests = {**FAST_PATH_REQUESTS, **GENERAL_PATH_REQUESTS}
    first, second = await on_both_paths(gateway, upstream, await gateway.key(), requests[name], *fields)
    assert first == second
    is_let_in = name == "ping" and len(fields) == 1
    assert second.response.startswith(b"HTTP/1.1 200 " if is_let_in else b"HTTP/1.1 400 ")
    assert len(second.sent) == is_let_in
    assert paths.last == "general"


async def test_sql_that_takes_long_to_parse_is_parsed_in_a_thread_on_the_general_path(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    upstream.answer = answer_with_rows
    columns = ", ".join(f"column_{n}" for n in range(300))
    asked = call("query", sql=f"select {columns} from trades where way = {id(paths)}")
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        for way in ("general", "fast"):
            assert (await client.exchange(asked)).startswith(b"HTTP/1.1 200 ")
            assert paths.last == way
    assert [event.table_names for event in await gateway.events()][1:] == [("trades",)] * 2


async def answer_with_rows(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(response_with({"content": [], "structuredContent": {"rows": [{"n": 1}]}}))


async def test_a_call_of_a_tool_with_a_metering_rule_is_counted_by_the_rule(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[metering.rule]]\ntool = "ruled"\nrecords = "length(result.structuredContent.rows)"\n')
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with limited_gateway(redis, valkey_url, upstream, tmp_path / "data", metering_rules=str(rules)) as gateway:
        first, second = await on_both_paths(gateway, upstream, await gateway.key(), call("ruled"))
        assert first == second
        assert [event.count_method for event in second.events] == ["rule"]
    assert paths.taken[:4] == ["general", "general", "fast", "fell back"]


# Restrictions of keys and sessions.


@pytest.mark.parametrize("way_out", ["revoked", "suspended", "expired"])
async def test_a_key_that_was_revoked_suspended_or_expired_since_the_last_call_is_401(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, paths: PathRecorder, way_out: str
) -> None:
    record, key = await gateway.new_key(expires_at=now_ms() + 3_600_000)
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with warm_client(gateway, upstream, key) as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        assert paths.last == "fast"
        upstream.requests.clear()
        if way_out != "expired":
            await (
                gateway.keys.revoke(record.key_id)
                if way_out == "revoked"
                else gateway.keys.suspend(record.key_id, OPERATOR)
            )
            await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
        else:
            monkeypatch.setattr(KeyRecord, "status", lambda _record, _now_ms: "expired")
        raw = await client.exchange(call())
        assert raw.startswith(b"HTTP/1.1 401 ")
        assert b"Invalid or expired API key" in raw
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 401 ")
    assert (paths.last, upstream.requests) == ("general", [])
    assert len(await gateway.events()) == 2
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"allowed_tools": ("list_*",)}, 403),
        ({"allowed_tools": ("ge?",)}, 200),
        ({"allowed_tables": ("secrets",)}, 200),
        ({"allowed_ips": ("10.0.0.0/8",)}, 403),
        ({"allowed_ips": ("127.0.0.0/8",)}, 200),
        ({"rate_limit_per_minute": 1}, 200),
        ({"calls_per_day": 1}, 200),
        ({"records_per_day": 1}, 200),
        ({"calls_per_month": 1}, 200),
        ({"records_per_month": 1}, 200),
        ({"tool_rate_limits": {"*": 1}}, 200),
    ],
)
async def test_a_new_restriction_of_a_key_applies_from_the_next_call_on(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, changes: dict[str, Any], status: int
) -> None:
    record, key = await gateway.new_key()
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with warm_client(gateway, upstream, key) as client:
        await gateway.keys.update(record.key_id, **changes)
        await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
        raw = await client.exchange(call())
        assert raw.startswith(b"HTTP/1.1 %d " % status)
        assert (b'"rows"' in raw) == (status == 200 and "allowed_tables" not in changes)
        # By the second call, the new record is cached.
        before = len(await gateway.events())
        again = await client.exchange(call())
        spent = any("_per_" in name or name == "tool_rate_limits" for name in changes)
        assert again.startswith(b"HTTP/1.1 %d " % (429 if spent else status))
        assert (b'"rows"' in again) == (status == 200 and not spent and "allowed_tables" not in changes)
        assert len(await gateway.events()) == before + (status == 200 and not spent)
        assert paths.last == ("general" if status != 200 else "fell back" if "allowed_tables" in changes else "fast")


@pytest.mark.parametrize(
    ("policy", "way", "message"),
    [
        ({"allowed_tools": ["list_*"]}, "general", b"does not allow get; allowed: list_*"),
        ({"allowed_tables": ["secrets"]}, "fell back", b"does not allow"),
        ({"allowed_ips": ["10.0.0.0/8"]}, "general", b"does not allow the address 127.0.0.1"),
        ({"read_only": True}, "general", b"does not allow get: it is not known to be read-only"),
        ({"allowed_tools": ["ge?"], "allowed_ips": ["127.0.0.0/8"]}, "fast", b""),
        ({"max_keys": 5}, "fast", b""),
    ],
)
async def test_a_new_policy_of_its_owner_applies_to_a_key_from_the_next_call_on(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    paths: PathRecorder,
    policy: dict[str, Any],
    way: str,
    message: bytes,
) -> None:
    record, key = await gateway.new_key()
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with warm_client(gateway, upstream, key) as client:
        await PolicyStore(gateway.redis).update(record.owner, policy)
        await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
        for _ in range(2):
            raw = await client.exchange(call())
            assert (b'"rows"' in raw) == (message == b"")
            assert b"The policy of this key's owner " + message in raw or not message
    assert paths.last == way


async def test_a_key_limited_to_tools_can_call_only_these_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    key = await gateway.key(allowed_tools=("get*",))
    for tool, way, status in (("get_a", "fast", 200), ("drop", "general", 403), ("Get", "general", 403)):
        first, second = await on_both_paths(gateway, upstream, key, call(tool))
        assert first == second
        assert (paths.last, second.response.split(b" ")[1]) == (way, b"%d" % status)
        assert len(second.sent) == len(second.events) == (status == 200)


@pytest.mark.parametrize(
    ("arguments", "way", "status"),
    [
        ({"table": "prices"}, "fast", 200),
        ({"table": "secrets"}, "general", 403),
        ({"sql": "SELECT * FROM prices"}, "fast", 200),
        ({"sql": "SELECT * FROM secrets"}, "general", 403),
        ({}, "fast", 200),
    ],
)
async def test_a_key_limited_to_tables_takes_the_fast_path_once_the_sql_of_a_call_is_parsed(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    paths: PathRecorder,
    arguments: dict[str, Any],
    way: str,
    status: int,
) -> None:
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    key = await gateway.key(allowed_tables=("prices",))
    async with keep_alive(gateway, key) as client:
        for expected in ("general", way):
            raw = await client.exchange(call(arguments=arguments))
            assert raw.startswith(b"HTTP/1.1 %d " % status)
            assert paths.last == expected
    assert len(await gateway.events()) == len(upstream.requests) == (2 if status == 200 else 0)


@pytest.mark.parametrize("name", [*OTHER_RESPONSES, *SINGLE_RESULT_RESPONSES, *LARGE_RESPONSES])
async def test_responses_to_a_key_limited_to_tables_are_the_same_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, name: str
) -> None:
    upstream.answer = answer_raw({**OTHER_RESPONSES, **SINGLE_RESULT_RESPONSES, **LARGE_RESPONSES}[name])
    key = await gateway.key(allowed_tables=("prices",))
    data = call(arguments={"table": "prices"})
    async with keep_alive(gateway, key) as client:
        first = await observe(gateway, upstream, client, data)
        if not first.is_closed:
            assert await observe(gateway, upstream, client, data) == first
            # Some responses end the connection to the upstream, and only the general path opens a new one.
            assert paths.taken[1] == ("fast" if gateway.pool.connections else "general")


@pytest.mark.parametrize("name", [*OTHER_RESPONSES, *SINGLE_RESULT_RESPONSES])
async def test_a_key_limited_to_tools_gets_the_same_response_on_both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.answer = answer_raw({**OTHER_RESPONSES, **SINGLE_RESULT_RESPONSES}[name])
    key = await gateway.key(allowed_tools=("get",))
    first, second = await on_both_paths(gateway, upstream, key, call(), b"Mcp-Session-Id: s")
    assert first == second


async def test_a_session_of_another_owner_is_404_for_every_request_of_a_connection(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    assert (await gateway.post(call(), await gateway.key("bob@example.com"), Mcp_Session_Id="bobs")).status == 200
    async with keep_alive(gateway, await gateway.key("ann@example.com"), b"Mcp-Session-Id: bobs") as client:
        for _ in range(3):
            assert (await client.exchange(call())).startswith(b"HTTP/1.1 404 ")
    assert set(paths.taken) == {"general"}
    assert len(upstream.requests) == 1


async def test_a_session_that_has_ended_upstream_gets_the_404_of_the_upstream(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    key = await gateway.key()
    async with warm_client(gateway, upstream, key, b"Mcp-Session-Id: s") as client:
        upstream.answer = answer_raw(http(b"", status="200 OK"))
        assert (await gateway.request("DELETE", key=key, Mcp_Session_Id="s")).status == 200
        upstream.answer = answer_raw(OTHER_RESPONSES["404"])
        assert without_date(await client.exchange(call())).endswith(OTHER_RESPONSES["404"].partition(b"\r\n\r\n")[2])
    assert paths.last == "fell back"
    assert len(await gateway.events()) == 1


# Random sequences.


@pytest.mark.parametrize("seed", range(12))
async def test_random_requests_on_one_connection_have_the_same_results_as_on_separate_connections(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, seed: int
) -> None:
    random = Random(seed)
    requests = {**FAST_PATH_REQUESTS, **GENERAL_PATH_REQUESTS}
    responses = {**SINGLE_RESULT_RESPONSES, **OTHER_RESPONSES, **CLOSING_RESPONSES}
    steps = [
        (
            random.choice([*["a call", "arguments"] * 30, *requests]),
            random.choice([*["json", "events in chunks", "echo"] * 30, *responses]),
        )
        for _ in range(60)
    ]
    name, (version, fields) = random.choice(list(CLIENTS.items()))
    record, key = await gateway.new_key()
    other_key = await gateway.key()

    async def step(client: KeepAliveClient, request_name: str, answer_name: str, *, is_other: bool = False) -> Effects:
        data, raw = requests[request_name], responses.get(answer_name)
        if is_other:
            # Other sessions and tasks, because those of the first run are stored.
            raw = raw and raw.replace(b"t-1", b"t-2")
            data = json.loads(json.dumps(data).replace("t-1", "t-2")) if isinstance(data, dict) else data
        upstream.answer = echo if raw is None else answer_raw(raw, close=answer_name in CLOSING_RESPONSES)
        return await observe(gateway, upstream, client, data)

    together = []
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(keep_alive(gateway, key, *fields, version=version))
        for names in steps:
            together.append(await step(client, *names))
            if together[-1].is_closed:
                client = await stack.enter_async_context(keep_alive(gateway, key, *fields, version=version))
    assert (paths.taken.count("fast") > 10) == (name != "1.0")
    paths.taken.clear()
    others = tuple(field.replace(b"s-1", b"s-2") for field in fields)
    for names, first in zip(steps, together, strict=True):
        async with keep_alive(gateway, other_key, *others, version=version) as alone:
            second = await step(alone, *names, is_other=True)
        second = second._replace(
            response=second.response.replace(b"t-2", b"t-1"),
            sent=[(head.replace(b"s-2", b"s-1"), body.replace(b"t-2", b"t-1")) for head, body in second.sent],
            events=[
                msgspec.structs.replace(event, key_id=record.key_id, session_id=event.session_id.replace("s-2", "s-1"))
                for event in second.events
            ],
        )
        assert second == first, names
    assert "fast" not in paths.taken
