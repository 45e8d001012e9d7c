"""The catalog of tools is built from the `tools/list` results that pass."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.metering.tool_declarations import MAX_TOOLS
from gateway.proxy.accounting import tool_catalog
from gateway.proxy.accounting.tool_catalog import ToolCatalog, catalog_name, load_schemas
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, answer_json
from tests.support.waiting import until

UPSTREAM = "http://user:secret@127.0.0.1:9000/mcp"


def listed(*names: str, description: str = "Table name", **more: Any) -> bytes:
    tools = [{"name": name, "inputSchema": {"properties": {"entity": {"description": description}}}} for name in names]
    return json.dumps({"tools": tools, **more}).encode()


def has_hints(tools: ToolCatalog, tool: str) -> bool:
    hints = tools.hints(tool)
    return hints is not None and hints.table_arguments == {"entity"}


@pytest.fixture
async def tools(redis: Redis) -> AsyncIterator[ToolCatalog]:
    catalog = ToolCatalog(redis, UPSTREAM)
    catalog.start()
    yield catalog
    await catalog.stop()


async def version(redis: Redis) -> Any:
    return await redis.hget(catalog_name(UPSTREAM), "")


async def writes_of(redis: Redis) -> int:
    stats: Any = await redis.info("commandstats")
    return int(stats["cmdstat_hset"]["calls"])


async def test_the_tools_of_a_list_are_known_and_stored(redis: Redis, tools: ToolCatalog) -> None:
    assert tools.hints("a") is None
    tools.observe_tools(listed("a", "b"))
    await until(lambda: has_hints(tools, "a") and has_hints(tools, "b"))
    assert set(await load_schemas(redis, UPSTREAM)) == {"a", "b"}
    assert await redis.ttl(catalog_name(UPSTREAM)) > 0


async def test_a_list_without_changes_is_not_written(redis: Redis, tools: ToolCatalog) -> None:
    tools.observe_tools(listed("a"))
    await until(lambda: has_hints(tools, "a"))
    before, writes = await version(redis), await writes_of(redis)
    tools.observe_tools(listed("a"))
    tools.observe_tools(listed("a", nextCursor="x"))
    tools.observe_tools(listed("a", description="Something else"))
    await until(lambda: not has_hints(tools, "a"))
    assert await version(redis) != before
    assert await writes_of(redis) == writes + 1


async def test_the_catalog_reaches_the_other_workers(
    redis: Redis, tools: ToolCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_catalog, "_REFRESH_SECONDS", 0.05)
    tools.observe_tools(listed("a"))
    await until(lambda: has_hints(tools, "a"))
    other = ToolCatalog(redis, UPSTREAM)
    other.start()
    await until(lambda: has_hints(other, "a"))
    tools.observe_tools(listed("b"))
    await until(lambda: has_hints(other, "b"))
    await other.stop()


async def test_each_upstream_has_its_own_catalog_whatever_its_credentials(redis: Redis) -> None:
    assert catalog_name(UPSTREAM) == catalog_name("http://127.0.0.1:9000/mcp")
    assert catalog_name(UPSTREAM) != catalog_name("http://127.0.0.1:9001/mcp")
    assert await load_schemas(redis, UPSTREAM) == {}


async def test_the_number_of_stored_tools_is_bounded(redis: Redis, tools: ToolCatalog) -> None:
    tools.observe_tools(listed(*(f"a{number}" for number in range(MAX_TOOLS - 1))))
    await until(lambda: has_hints(tools, f"a{MAX_TOOLS - 2}"))
    tools.observe_tools(listed(*(f"b{number}" for number in range(20)), "a1", description="Something else"))
    await until(lambda: not has_hints(tools, "a1"))
    assert len(await load_schemas(redis, UPSTREAM)) <= MAX_TOOLS


async def test_without_redis_the_catalog_stays_empty_and_nothing_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tools = ToolCatalog(Redis(unix_socket_path="/nonexistent"), UPSTREAM)
    tools.start()
    tools.observe_tools(listed("a"))
    await until(lambda: "was not stored" in caplog.text)
    assert tools.hints("a") is None
    await tools.stop()


async def test_the_catalog_shows_which_arguments_of_a_limited_key_name_tables(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    declared = json.loads(listed("delete_rows"))
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": declared})
    limited = await gateway.key(allowed_tables=("orders",))
    secret = call("delete_rows", entity="secrets")
    assert (await gateway.post(secret, limited)).status == 200, "the catalog does not have the tool yet"
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert (await gateway.post(listing, await gateway.key())).status == 200
    deadline = asyncio.get_running_loop().time() + 10
    while (refused := await gateway.post(secret, limited)).status == 200:
        assert asyncio.get_running_loop().time() < deadline
    assert refused.status == 403
    assert (await gateway.post(call("delete_rows", entity="orders"), limited)).status == 200
    assert [b"secrets" in request.body for request in upstream.requests][-1] is False
