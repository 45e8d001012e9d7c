"""No call is 502 at upstreams that close idle connections after a second, whatever the pauses between calls."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.proxy.keep_alive import PathRecorder, keep_alive
from tests.support.gateway import call, running_gateway
from tests.support.mcp_servers import running_mcp_server
from tests.support.node import node

_FOLDER = Path(__file__).with_name("closing_servers")
_CLIENTS = 40
_PAUSES = (0.1, 0.45, 0.7, 0.85, 0.9, 0.9, 0.95, 0.95, 1.0)
_JITTER = 0.02


@contextlib.contextmanager
def running_server(name: str) -> Iterator[str]:
    """Run one of the two servers, and return its URL."""
    if name == "node":
        with running_mcp_server(str(_FOLDER / "node_server.mjs"), program=str(node())) as server:
            yield server.url
    else:
        with running_mcp_server("-m", "tests.integrations.closing_servers.uvicorn_server") as server:
            yield server.url


@pytest.mark.parametrize("name", ["node", "uvicorn"])
async def test_no_call_is_502_around_the_keep_alive_time_out_of_a_server(
    redis: Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = PathRecorder(monkeypatch)
    with running_server(name) as url:
        async with running_gateway(redis, valkey_url, url, tmp_path) as gateway, contextlib.AsyncExitStack() as stack:
            key = await gateway.key()
            clients = [await stack.enter_async_context(keep_alive(gateway, key)) for _ in range(_CLIENTS)]
            chance = random.Random(1)

            async def status(number: int) -> bytes:
                await asyncio.sleep(chance.uniform(0, _JITTER))
                return (await clients[number].exchange(call()))[:13]

            for pause in (0.0, *_PAUSES):
                await asyncio.sleep(pause)
                statuses = await asyncio.gather(*map(status, range(_CLIENTS)))
                assert set(statuses) == {b"HTTP/1.1 200 "}, f"after {pause} s"
    assert {"fast", "general"} <= set(paths.taken)
