"""A dedicated connection times out each command on its own, and repeats one whose connection broke."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from gateway.redis.client import connect
from gateway.redis.dedicated_connection import DedicatedRedisConnection
from tests.support.blocked import until_blocked


def reply_to(connection: DedicatedRedisConnection, *command: Any) -> asyncio.Future[Any]:
    """Send a command; the future holds its reply, or an exception as its result."""
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    assert connection.send(command, reply.set_result)
    return reply


async def test_the_first_command_opens_the_connection_and_the_next_ones_use_it(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 2.0)
    assert not connection.send(("PING",), lambda _: None)
    assert await connection.execute("CLIENT", "SETNAME", "one") == b"OK"
    for command, expected in ((("CLIENT", "GETNAME"), b"one"), (("ECHO", "a" * 100_000), b"a" * 100_000)):
        assert await reply_to(connection, *command) == expected
    assert isinstance(await reply_to(connection, "NONSENSE"), ResponseError)
    assert isinstance(await reply_to(connection, "EVALSHA", "0" * 40, 0), NoScriptError)
    assert await reply_to(connection, "PING") == b"PONG"
    connection.close()
    assert not connection.send(("PING",), lambda _: None)
    await client.aclose()


async def test_each_command_has_its_own_time_out_which_closes_the_connection(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 1.0)
    # Together they take longer than the time-out of one.
    for _ in range(3):
        assert await connection.execute("BLPOP", "nothing", 0.5) is None
    began = time.monotonic()
    assert isinstance(await reply_to(connection, "BLPOP", "nothing", 2), TimeoutError)
    assert time.monotonic() - began >= 0.99
    # Its late reply would be taken for that of the next command.
    assert not connection.send(("PING",), lambda _: None)
    assert await connection.execute("PING") == b"PONG"
    connection.close()
    await client.aclose()


async def test_send_reports_a_broken_connection_and_execute_sends_the_command_again(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 2.0)
    number = await connection.execute("CLIENT", "ID")
    reply = reply_to(connection, "BLPOP", "nothing", 1)
    await client.client_kill_filter(_id=number)
    assert isinstance(await reply, RedisConnectionError)
    assert not connection.send(("PING",), lambda _: None)

    number = await connection.execute("CLIENT", "ID")
    repeated = asyncio.ensure_future(connection.execute("BLPOP", "something", 1))
    await until_blocked(client, "blpop")
    await client.client_kill_filter(_id=number)
    await until_blocked(client, "blpop", except_for=number)
    await client.rpush("something", "there")
    assert await repeated == [b"something", b"there"]
    connection.close()
    await client.aclose()
