"""The admin process: settings on standard input, one line when ready, and a graceful shutdown."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import aiohttp
import pytest
import redis.asyncio

from gateway.accounts.users import UserStore
from gateway.redis import names as redis_names
from gateway.usage.event import pack
from tests.runtime.admin_process import Start
from tests.support import ports
from tests.support.admin_api import PASSWORD, USER, event


async def add_user(client: redis.asyncio.Redis) -> None:
    users = UserStore(client, now_ms=lambda: 1_769_860_800_000)
    await users.add(USER, PASSWORD)
    users.passwords.close()


async def test_it_serves_writes_usage_and_drains_at_shutdown(start: Start, redis: redis.asyncio.Redis) -> None:
    await add_user(redis)
    first = await start()
    assert "listening on" in await first.ready()
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{first.url}/readyz") as response:
            assert response.status == 200
        login = {"email": USER, "password": PASSWORD}
        async with http.post(f"{first.url}/api/auth/login", json=login) as response:
            token = (await response.json())["access_token"]
    for _ in range(50):
        await redis.xadd(redis_names.USAGE, {"e": pack([event(), event()])})
    first.process.send_signal(signal.SIGTERM)
    code, logged = await first.wait()
    assert code == 0
    assert not [line for line in logged.splitlines() if '"level":"info"' not in line]
    assert await redis.xlen(redis_names.USAGE) == 0

    second = await start()
    await second.ready()
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{second.url}/api/mcp-usage/history") as response,
    ):
        assert response.status == 200, "a token survives a restart"
        assert (await response.json())["total"] == 100
    assert second.process.stdin is not None
    second.process.stdin.close()
    assert (await second.wait())[0] == 0, "the end of the input is the end of the supervisor"


async def test_an_open_request_is_finished_before_shutdown(start: Start, redis: redis.asyncio.Redis) -> None:
    await add_user(redis)
    process = await start()
    await process.ready()
    async with aiohttp.ClientSession() as http:
        login = asyncio.create_task(
            http.post(f"{process.url}/api/auth/login", json={"email": USER, "password": PASSWORD})
        )
        while not await redis.keys(redis_names.LOGIN_ATTEMPTS + "*"):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.001)
        process.process.send_signal(signal.SIGTERM)
        async with await login as response:
            assert response.status == 200
    assert (await process.wait())[0] == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"redis_url": "redis://:hush@127.0.0.1:1/0"}, "Redis"),
        ({"clickhouse_url": "http://user:hush@127.0.0.1:1"}, "ClickHouse"),
        ({"host": "192.0.2.1"}, "GATEWAY_HOST"),
    ],
)
async def test_an_unreachable_service_is_one_line_and_exit_code_1(
    start: Start, changes: dict[str, Any], said: str
) -> None:
    process = await start(**changes)
    assert await process.ready() == ""
    code, text = await process.wait()
    assert code == 1
    assert text.count("\n") == 1
    assert said in text
    assert "hush" not in text


async def test_a_port_in_use_is_one_line_and_exit_code_1(start: Start, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        code, text = await (await start()).wait()
    assert code == 1
    assert text.count("\n") == 1
    assert "GATEWAY_ADMIN_PORT" in text


async def test_a_data_folder_in_use_is_one_line_and_exit_code_1(start: Start) -> None:
    first = await start()
    await first.ready()
    code, text = await (await start(admin_port=ports.free_port())).wait()
    assert code == 1
    # chDB itself says something before.
    assert [line for line in text.splitlines() if line.startswith("mcp-gateway: ")] == text.splitlines()[-1:]
    assert "another process has it open" in text
