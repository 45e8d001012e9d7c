"""The upstream's tools, learned from what passes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.metering.tool_declarations import MAX_TOOLS
from gateway.proxy.accounting import tool_catalog
from gateway.proxy.accounting.tool_catalog import ToolCatalog, catalog_name, load_schemas
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, answer_json

UPSTREAM = "http://user:secret@127.0.0.1:9000/mcp"


def listed(*names: str, description: str = "Table name", **more: Any) -> bytes:
    tools = [{"name": name, "inputSchema": {"properties": {"entity": {"description": description}}}} for name in names]
    return json.dumps({"tools": tools, **more}).encode()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def knows(tools: ToolCatalog, tool: str) -> bool:
    hints = tools.hints(tool)
    return hints is not None and hints.table_arguments == {"entity"}


@pytest.fixture
async def tools(redis: Redis) -> AsyncIterator[ToolCatalog]:
    learned = ToolCatalog(redis, UPSTREAM)
    learned.start()
    yield learned
    await learned.stop()


async def edition(redis: Redis) -> Any:
    return await redis.hget(catalog_name(UPSTREAM), "")


async def test_what_a_list_tells_is_known_and_kept(redis: Redis, tools: ToolCatalog) -> None:
    assert tools.hints("a") is None
    tools.observe_tools(listed("a", "b"))
    await until(lambda: knows(tools, "a") and knows(tools, "b"))
    assert set(await load_schemas(redis, UPSTREAM)) == {"a", "b"}
    assert await redis.ttl(catalog_name(UPSTREAM)) > 0


async def test_a_list_that_says_nothing_new_is_not_written(redis: Redis, tools: ToolCatalog) -> None:
    tools.observe_tools(listed("a"))
    await until(lambda: knows(tools, "a"))
    before = await edition(redis)
    tools.observe_tools(listed("a"))
    tools.observe_tools(listed("a", nextCursor="x"))
    await asyncio.sleep(0.2)
    assert await edition(redis) == before
    tools.observe_tools(listed("a", description="Something else"))
    await until(lambda: not knows(tools, "a"))
    assert await edition(redis) != before


async def test_another_worker_has_it_too(redis: Redis, tools: ToolCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_catalog, "_REFRESH_SECONDS", 0.05)
    tools.observe_tools(listed("a"))
    await until(lambda: knows(tools, "a"))
    other = ToolCatalog(redis, UPSTREAM)
    other.start()
    await until(lambda: knows(other, "a"))
    tools.observe_tools(listed("b"))
    await until(lambda: knows(other, "b"))
    await other.stop()


async def test_upstreams_are_kept_apart_and_their_passwords_out(redis: Redis) -> None:
    assert catalog_name(UPSTREAM) == catalog_name("http://127.0.0.1:9000/mcp")
    assert catalog_name(UPSTREAM) != catalog_name("http://127.0.0.1:9001/mcp")
    assert await load_schemas(redis, UPSTREAM) == {}


async def test_what_is_kept_is_bounded(redis: Redis, tools: ToolCatalog) -> None:
    tools.observe_tools(listed(*(f"a{number}" for number in range(MAX_TOOLS - 1))))
    await until(lambda: knows(tools, f"a{MAX_TOOLS - 2}"))
    tools.observe_tools(listed(*(f"b{number}" for number in range(20)), "a1"))
    await asyncio.sleep(0.3)
    assert len(await load_schemas(redis, UPSTREAM)) <= MAX_TOOLS


async def test_without_redis_nothing_is_learned_and_nothing_fails() -> None:
    tools = ToolCatalog(Redis(unix_socket_path="/nonexistent"), UPSTREAM)
    tools.start()
    tools.observe_tools(listed("a"))
    await asyncio.sleep(0.3)
    assert tools.hints("a") is None
    await tools.stop()


async def test_a_list_that_passed_tells_which_arguments_a_limited_key_may_use(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    declared = json.loads(listed("delete_rows"))
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": declared})
    limited = await gateway.key(allowed_tables=("orders",))
    secret = call("delete_rows", entity="secrets")
    assert (await gateway.post(secret, limited)).status == 200, "nothing is known of the tool yet"
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert (await gateway.post(listing, await gateway.key())).status == 200
    deadline = asyncio.get_running_loop().time() + 10
    while (refused := await gateway.post(secret, limited)).status == 200:
        assert asyncio.get_running_loop().time() < deadline
    assert refused.status == 403
    assert (await gateway.post(call("delete_rows", entity="orders"), limited)).status == 200
    assert [b"secrets" in request.body for request in upstream.requests][-1] is False
