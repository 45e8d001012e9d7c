"""The catalog of tools is built from the `tools/list` results that pass."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.metering.tool_declarations import MAX_LIST, MAX_TOOLS
from gateway.proxy.tools import catalog as tool_catalog
from gateway.proxy.tools.catalog import ToolCatalog
from gateway.proxy.tools.catalog_store import catalog_name, load_schemas
from gateway.proxy.tools.known_tools import cursor_digest
from gateway.redis.client import connect
from tests.proxy.streams import Listening, Streams, event, listening, next_event, stream
from tests.support.clock import Clock
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_json
from tests.support.valkey import Valkey
from tests.support.waiting import until

UPSTREAM = "http://user:secret@127.0.0.1:9000/mcp"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
SESSION = {"Mcp_Session_Id": "session-1"}
NAMES = ("a", "b", "gone", "also_gone")
WITHIN = 2.0
"""Seconds within which a list that passes one worker counts on every worker."""


def listed(*names: str, description: str = "Table name", **more: Any) -> bytes:
    tools = [{"name": name, "inputSchema": {"properties": {"entity": {"description": description}}}} for name in names]
    return json.dumps({"tools": tools, **more}).encode()


def hinted(next_cursor: str | None = None, **hints: bool) -> bytes:
    """A `tools/list` result of tools with these `readOnlyHint`s."""
    tools = [{"name": name, "annotations": {"readOnlyHint": hint}} for name, hint in hints.items()]
    return json.dumps({"tools": tools, "nextCursor": next_cursor}).encode()


def has_hints(tools: ToolCatalog, tool: str) -> bool:
    hints = tools.hints(tool)
    return hints is not None and hints.table_arguments == {"entity"}


class Catalog(ToolCatalog):
    """A worker's catalog; lists are requested at the time at which they pass."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        super().__init__(redis, UPSTREAM, now_ms=clock.now_ms)
        self._clock = clock

    def observe(self, result: bytes, cursor: str | None = "", *, seconds_ago: float = 0) -> None:
        digest = None if cursor is None else cursor_digest(cursor)
        self.observe_tools(result, cursor=digest, requested_at=self._clock.now_ms() - round(seconds_ago * 1000))

    def known(self, *names: str) -> list[bool | None]:
        return [self.read_only_hint(name) for name in names]


@pytest.fixture
async def tools(redis: Redis, clock: Clock) -> AsyncIterator[Catalog]:
    catalog = Catalog(redis, clock)
    await catalog.start()
    yield catalog
    await catalog.stop()


@pytest.fixture
async def others(redis: Redis, clock: Clock) -> AsyncIterator[Catalog]:
    """The catalog of another worker."""
    catalog = Catalog(redis, clock)
    await catalog.start()
    yield catalog
    await catalog.stop()


async def version(redis: Redis) -> Any:
    return await redis.hget(catalog_name(UPSTREAM), "")


async def writes_of(redis: Redis) -> int:
    stats: Any = await redis.info("commandstats")
    return int(stats["cmdstat_hset"]["calls"])


async def test_the_tools_of_a_list_are_known_and_stored(redis: Redis, tools: Catalog) -> None:
    assert tools.hints("a") is None
    tools.observe(listed("a", "b"))
    await until(lambda: has_hints(tools, "a") and has_hints(tools, "b"))
    assert set(await load_schemas(redis, UPSTREAM)) == {"a", "b"}
    assert await redis.ttl(catalog_name(UPSTREAM)) > 0


async def test_a_list_without_changes_is_not_written(redis: Redis, tools: Catalog) -> None:
    tools.observe(listed("a"))
    await until(lambda: has_hints(tools, "a"))
    before, writes = await version(redis), await writes_of(redis)
    tools.observe(listed("a"))
    tools.observe(listed("a", _meta={}))
    tools.observe(listed("a", description="Something else"))
    await until(lambda: not has_hints(tools, "a"))
    assert await version(redis) != before
    # One for the tool, one for the version.
    assert await writes_of(redis) == writes + 2


async def test_a_list_counts_immediately_where_it_passes_and_soon_everywhere(tools: Catalog, others: Catalog) -> None:
    tools.observe(hinted(a=True, b=False))
    assert tools.known("a", "b", "c") == [True, False, None]
    await until(lambda: others.known("a", "b", "c") == [True, False, None], WITHIN)
    others.observe(hinted(a=False, c=True))
    assert others.known("a", "b", "c") == [False, None, True]
    await until(lambda: tools.known("a", "b", "c") == [False, None, True], WITHIN)


async def test_a_worker_that_refreshes_knows_what_others_have_saved(
    redis: Redis, clock: Clock, tools: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_catalog, "_REFRESH_SECONDS", 60)
    others = Catalog(redis, clock)
    await others.start()
    tools.observe(hinted(a=True))
    await until(lambda: version(redis))
    await asyncio.gather(*(others.refresh() for _ in range(5)))
    assert others.known("a") == [True]
    await others.stop()


async def test_the_last_list_counts_whatever_the_workers_have_seen_before(tools: Catalog, others: Catalog) -> None:
    for _ in range(3):
        tools.observe(hinted(a=True))
        await until(lambda: others.known("a") == [True], WITHIN)
        others.observe(hinted(a=False))
        await until(lambda: tools.known("a") == [False], WITHIN)


async def test_lists_that_pass_several_workers_at_the_same_time_are_all_kept(tools: Catalog, others: Catalog) -> None:
    for number in range(20):
        tools.observe(hinted("x", **{f"a{number}": True}))
        others.observe(hinted("x", **{f"b{number}": True}))
    names = [f"{letter}{number}" for letter in "ab" for number in range(20)]
    await until(lambda: tools.known(*names) == others.known(*names) == [True] * 40)


async def test_a_new_worker_knows_the_tools_from_the_start(redis: Redis, clock: Clock, tools: Catalog) -> None:
    tools.observe(hinted(a=True, b=False))
    await until(lambda: load_schemas(redis, UPSTREAM))
    restarted = Catalog(redis, clock)
    await restarted.start()
    assert restarted.known("a", "b") == [True, False]
    await restarted.stop()


async def test_a_page_removes_no_tool_of_another_page(tools: Catalog, others: Catalog) -> None:
    for _ in range(2):
        tools.observe(hinted("2", a=True))
        tools.observe(hinted("3", b=True), "2")
        tools.observe(hinted(c=True), "3")
        await until(lambda: others.known("a", "b", "c") == [True] * 3, WITHIN)
        assert tools.known("a", "b", "c") == [True] * 3
    tools.observe(hinted("other", a=True))
    tools.observe(hinted(d=True), "unknown")
    await until(lambda: others.known("a", "b", "c", "d") == [True] * 4, WITHIN)


async def test_the_last_page_removes_the_tools_that_no_page_has_also_over_several_workers(
    redis: Redis, tools: Catalog, others: Catalog
) -> None:
    async def first_page_is_saved() -> bool:
        (page,) = await redis.keys("*tool-page*")
        missing: Any = await redis.get(page)
        return b'"gone"' in missing

    tools.observe(hinted("2", a=True, gone=True))
    tools.observe(hinted(b=True, also_gone=True), "2")
    await until(lambda: others.known(*NAMES) == [True] * 4, WITHIN)
    others.observe(hinted("2", a=True))
    await until(first_page_is_saved)
    tools.observe(hinted(b=True), "2")
    left = [True, True, None, None]
    await until(lambda: tools.known(*NAMES) == others.known(*NAMES) == left, WITHIN)


async def test_a_list_that_other_parameters_may_have_shortened_removes_nothing(tools: Catalog, others: Catalog) -> None:
    tools.observe(hinted(a=True, b=True))
    tools.observe(hinted(a=False), None)
    await until(lambda: others.known("a", "b") == [False, True], WITHIN)


@pytest.mark.parametrize(
    "result",
    [b'{"tools":5}', b"[]", b'{"tools":[{"name":"' + b"x" * MAX_LIST + b'"}]}', b'{"tools":[],"nextCursor":5}'],
    ids=["no list", "no object", "too large", "no cursor"],
)
async def test_after_a_list_that_cannot_be_read_no_tool_is_known(
    tools: Catalog, others: Catalog, result: bytes
) -> None:
    tools.observe(hinted(a=True))
    await until(lambda: others.known("a") == [True], WITHIN)
    tools.observe(result, "2")
    assert tools.known("a") == [None]
    await until(lambda: others.known("a") == [None], WITHIN)


async def test_a_list_that_was_requested_before_a_tool_ceased_to_be_read_only_does_not_bring_it_back(
    clock: Clock, tools: Catalog, others: Catalog
) -> None:
    tools.observe(hinted(a=True, b=True))
    await until(lambda: others.known("a", "b") == [True, True], WITHIN)
    clock.advance(10)
    tools.observe(hinted(a=False, b=True))
    await until(lambda: others.known("a") == [False], WITHIN)
    clock.advance(1)
    others.observe(hinted(a=True, b=True, c=True), seconds_ago=2)
    assert others.known("a", "b", "c") == [False, True, None]
    others.observe(hinted(a=True, b=True, d=True))
    await until(lambda: tools.known("a", "b", "c", "d") == [True, True, None, True], WITHIN)


async def test_a_list_that_comes_long_after_its_request_is_ignored(tools: Catalog) -> None:
    tools.observe(hinted(a=True))
    tools.observe(hinted(b=True), seconds_ago=61)
    assert tools.known("a", "b") == [True, None]


async def test_each_upstream_has_its_own_catalog_whatever_its_credentials(redis: Redis) -> None:
    assert catalog_name(UPSTREAM) == catalog_name("http://127.0.0.1:9000/mcp")
    assert catalog_name(UPSTREAM) != catalog_name("http://127.0.0.1:9001/mcp")
    assert await load_schemas(redis, UPSTREAM) == {}


async def test_the_number_of_stored_tools_is_bounded(redis: Redis, tools: Catalog) -> None:
    tools.observe(listed(*(f"a{number}" for number in range(MAX_TOOLS - 1))))
    await until(lambda: has_hints(tools, f"a{MAX_TOOLS - 2}"))
    tools.observe(listed(*(f"b{number}" for number in range(20)), "a1", description="Else", nextCursor="x"))
    await until(lambda: not has_hints(tools, "a1"))
    assert len(await load_schemas(redis, UPSTREAM)) == MAX_TOOLS


async def test_a_catalog_that_redis_has_lost_is_collected_again(redis: Redis, tools: Catalog, others: Catalog) -> None:
    tools.observe(hinted(a=True))
    await until(lambda: others.known("a") == [True], WITHIN)
    await redis.flushall()
    await until(lambda: others.known("a") == tools.known("a") == [None], WITHIN)
    tools.observe(hinted(a=True))
    await until(lambda: others.known("a") == [True], WITHIN)


async def test_a_list_that_passes_while_redis_is_away_is_saved_when_it_is_back(
    valkey: Valkey, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    redis = connect(valkey.url)
    one, other = Catalog(redis, clock), Catalog(redis, clock)
    for catalog in (one, other):
        await catalog.start()
    one.observe(hinted(a=True))
    await until(lambda: other.known("a") == [True], WITHIN)
    valkey.kill()
    one.observe(hinted(a=False))
    assert one.known("a") == [False]
    await until(lambda: "is not synchronized" in caplog.text)
    assert one.known("a") == [False]
    valkey.start()
    await until(lambda: other.known("a") == [False])
    for catalog in (one, other):
        await catalog.stop()
    await redis.aclose()


async def test_without_redis_a_catalog_starts_and_knows_what_passes(clock: Clock) -> None:
    tools = Catalog(Redis(unix_socket_path="/nonexistent"), clock)
    await tools.start()
    tools.observe(hinted(a=True))
    assert tools.known("a", "b") == [True, None]
    await tools.stop()


# In front of an upstream.


@pytest.fixture
async def other_worker(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A second worker of the same gateway."""
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "other_worker") as gateway:
        yield gateway


@pytest.fixture
def streams(upstream: ScriptedUpstream) -> Streams:
    return Streams(upstream)


def response(result: bytes) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": json.loads(result)}


async def status_of(gateway: Gateway, tool: str, key: str) -> int:
    return (await gateway.post(call(tool), key)).status


async def is_callable(gateway: Gateway, tool: str, key: str) -> bool:
    return await status_of(gateway, tool, key) == 200


async def test_the_catalog_shows_which_arguments_of_a_limited_key_name_tables(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    declared = json.loads(listed("get_rows"))
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": declared})
    limited = await gateway.key(allowed_tables=("orders",))
    secret = call("get_rows", entity="secrets")
    assert (await gateway.post(secret, limited)).status == 200, "the catalog does not have the tool yet"
    assert (await gateway.post(LIST, await gateway.key())).status == 200
    deadline = asyncio.get_running_loop().time() + 10
    while (refused := await gateway.post(secret, limited)).status == 200:
        assert asyncio.get_running_loop().time() < deadline
    assert refused.status == 403
    assert (await gateway.post(call("get_rows", entity="orders"), limited)).status == 200
    assert [b"secrets" in request.body for request in upstream.requests][-1] is False


async def test_a_read_only_key_calls_a_tool_once_any_key_has_listed_it_on_any_worker(
    gateway: Gateway, other_worker: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_json(response(hinted(get=True, drop=False)))
    key = await gateway.key(read_only=True)
    refused = await gateway.post(call("get"), key)
    assert (refused.status, refused.error["code"]) == (403, -32001)
    assert refused.error["message"] == (
        "This API key may only call read-only tools, and get is not known as one; list the tools first (tools/list)"
    )
    assert upstream.requests == []
    await gateway.post(LIST, await gateway.key("bob@example.com"))
    for tool, status in (("get", 200), ("drop", 403), ("other", 403)):
        assert await status_of(gateway, tool, key) == status
    await until(lambda: is_callable(other_worker, "get", key), WITHIN)
    dropped = await other_worker.post(call("drop"), key)
    assert dropped.error["message"] == "This API key may only call read-only tools, and drop is not one"
    assert await status_of(other_worker, "drop", await gateway.key()) == 200


@pytest.mark.parametrize("changed", [{"get": False, "other": True}, {"other": True}, {}], ids=str)
async def test_a_tool_that_is_no_longer_declared_as_read_only_is_refused_on_every_worker(
    gateway: Gateway, other_worker: Gateway, upstream: ScriptedUpstream, changed: dict[str, bool]
) -> None:
    key = await gateway.key(read_only=True)
    upstream.answer = answer_json(response(hinted(get=True)))
    await gateway.post(LIST, key)
    await until(lambda: is_callable(other_worker, "get", key), WITHIN)
    upstream.answer = answer_json(response(hinted(None, **changed)))
    await other_worker.post(LIST, key)
    assert not await is_callable(other_worker, "get", key)

    async def is_refused() -> bool:
        return not await is_callable(gateway, "get", key)

    await until(is_refused, WITHIN)


async def test_a_read_only_key_lists_read_only_tools_only(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_json(response(hinted("more", get=True, drop=False)))
    found = (await gateway.post(LIST, await gateway.key(read_only=True))).json["result"]
    assert ([tool["name"] for tool in found["tools"]], found["nextCursor"]) == (["get"], "more")


async def test_the_result_of_a_call_is_not_a_list_of_tools(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_json(response(hinted(drop=True)))
    await gateway.post(call("get"), await gateway.key())
    await gateway.post({**LIST, "method": "prompts/list"}, await gateway.key())
    assert await status_of(gateway, "drop", await gateway.key(read_only=True)) == 403


async def test_a_list_counts_as_an_event_stream_and_on_a_resumed_stream(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key(read_only=True)
    listing = event(response(hinted(a=True)), "1")
    streams.posts = [stream(listing)]
    await gateway.post(LIST, key, **SESSION)
    assert await is_callable(gateway, "a", key)
    streams.posts = [stream(event("", "1"))]
    streams.gets = [stream(event(response(hinted(a=True, b=True, c=False)), "2"))]
    await gateway.post(LIST, key, **SESSION)
    resumed = await gateway.request("GET", key=key, Last_Event_ID="1", Accept="text/event-stream", **SESSION)
    assert (b'"b"' in resumed.body, b'"c"' in resumed.body) == (True, False)
    assert await is_callable(gateway, "b", key)


async def test_a_list_that_is_replayed_brings_no_tool_back(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key(read_only=True)
    old, new = (event(response(hinted(a=hint)), "1") for hint in (True, False))
    streams.posts, streams.gets = [stream(event("", "0"), old)], [stream(old)]
    await gateway.post(LIST, key, **SESSION)
    assert await is_callable(gateway, "a", key)
    streams.posts = [stream(new)]
    await gateway.post({**LIST, "id": 1}, await gateway.key(), Mcp_Session_Id="session-2")
    assert not await is_callable(gateway, "a", key)
    replayed = await gateway.request("GET", key=key, Last_Event_ID="0", Accept="text/event-stream", **SESSION)
    assert b'"tools":[]' in replayed.body
    assert not await is_callable(gateway, "a", key)


async def test_a_list_that_may_belong_to_another_request_does_not_count(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key()
    streams.posts, streams.gets = [stream(event("", "1"))], [stream(event(response(hinted(a=True)), "2"))]
    for _ in range(2):
        await gateway.post(LIST, key, **SESSION)
    resumed = await gateway.request("GET", key=key, Last_Event_ID="1", Accept="text/event-stream", **SESSION)
    assert b'"a"' in resumed.body
    assert not await is_callable(gateway, "a", await gateway.key(read_only=True))


async def test_pages_are_told_apart_by_the_cursor_of_their_request(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key(read_only=True)
    upstream.answer = answer_json(response(hinted("2", a=True, gone=True)))
    await gateway.post(LIST, key)
    upstream.answer = answer_json(response(hinted(b=True)))
    await gateway.post({**LIST, "params": {"cursor": "2"}}, key)
    await gateway.post({**LIST, "params": {"filter": "b"}}, key)
    assert [await is_callable(gateway, tool, key) for tool in ("a", "b", "gone")] == [True, True, True]
    upstream.answer = answer_json(response(hinted("2", a=True)))
    await gateway.post({**LIST, "params": {"_meta": {}}}, key)
    upstream.answer = answer_json(response(hinted(b=True)))
    await gateway.post({**LIST, "params": {"cursor": "2"}}, key)

    async def is_gone() -> bool:
        return not await is_callable(gateway, "gone", key)

    await until(is_gone, WITHIN)
    assert [await is_callable(gateway, tool, key) for tool in ("a", "b")] == [True, True]


async def test_a_list_counts_on_the_stream_of_the_old_transport(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    old_transport = Listening(upstream)
    key = await gateway.key(read_only=True)
    async with listening(gateway, key) as content:
        await old_transport.send(event("/messages?session_id=abc", type_="endpoint"))
        target = (await next_event(content))["data"]
        assert (await gateway.request("POST", target, key=key, data=call("a"))).status == 403
        await gateway.request("POST", target, key=key, data=LIST)
        await old_transport.send(event(response(hinted(a=True, b=False))))
        assert '"b"' not in (await next_event(content))["data"]
        for tool, status in (("a", 202), ("b", 403)):
            assert (await gateway.request("POST", target, key=key, data=call(tool, tool))).status == status
