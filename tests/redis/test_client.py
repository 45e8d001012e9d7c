"""The same commands work on one server, behind Sentinel and on a Cluster, and every wait is bounded."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import pytest
import redis as blocking_redis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.keys.cache import KeyCache
from gateway.keys.store import KeyStore
from gateway.redis.client import connect, open_connection
from gateway.redis.names import INVALIDATIONS, KEY_IDS, KEY_RECORD
from gateway.timestamps import now_ms
from tests.redis.conftest import StartServer
from tests.support.ports import free_port
from tests.support.valkey import Valkey
from tests.support.waiting import until


async def assert_usable(client: Redis) -> None:
    """Use Redis as the gateway does: a transaction over several names, and a subscription."""
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


async def test_a_unix_socket_is_usable(valkey_url: str, redis: Redis) -> None:
    await assert_usable(connect(valkey_url))


async def test_a_server_with_a_password_is_usable(start_server: StartServer) -> None:
    port = start_server("--requirepass", "pass word", password="pass word")
    await assert_usable(connect(f"redis://:pass%20word@127.0.0.1:{port}/1"))


async def test_a_master_behind_sentinel_is_usable(start_server: StartServer, tmp_path: Path) -> None:
    port = start_server()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor main 127.0.0.1 {port} 1\n")
    sentinel = start_server(str(config), "--sentinel")
    dead = free_port()
    await assert_usable(connect(f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{sentinel}/main/2"))


@pytest.fixture
def cluster_port(start_server: StartServer) -> int:
    """A cluster of one node that holds every slot."""
    port = start_server("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with blocking_redis.Redis(port=port) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 10
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    return port


async def test_a_cluster_is_usable(cluster_port: int) -> None:
    await assert_usable(connect(f"redis+cluster://127.0.0.1:{cluster_port}"))


async def test_keys_are_stored_and_revoked_on_a_cluster(cluster_port: int) -> None:
    redis = connect(f"redis+cluster://127.0.0.1:{cluster_port}")
    store = KeyStore(redis, pepper=None, now_ms=now_ms)
    cache = KeyCache(store, redis, now_ms=now_ms, monotonic=time.monotonic, count_lookup=lambda outcome: None)
    await cache.start()
    record, key = await store.create(owner="ada@example.com", key_name="laptop")
    assert await cache.find(key) == record
    await store.revoke(record.key_id)
    await until(lambda: cache.cached_record(key) is None)
    found = await cache.find(key)
    assert found is not None
    assert found.revoked_at is not None
    cache.record_use(key, record.key_id, "agent", "192.0.2.7")
    await cache.stop()
    assert list(await store.last_uses.of_keys([record.key_id])) == [record.key_id]
    [last_use] = await store.last_uses.of_secrets([store.digest(key)])
    assert last_use is not None
    assert [listed.key_id for listed in await store.list(None)] == [record.key_id]
    await redis.aclose()


@pytest.mark.parametrize("url", ["http://a", "redis+sentinel://,a/main", "redis+cluster://a,"])
def test_other_urls_are_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="Redis"):
        connect(url)


async def test_a_refused_connection_is_an_error_without_a_wait(tmp_path: Path) -> None:
    for url in (f"redis://127.0.0.1:{free_port()}", f"unix://{tmp_path}/none.sock"):
        client = connect(url)
        began = time.monotonic()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        with pytest.raises(RedisConnectionError):
            await open_connection(client)
        assert time.monotonic() - began < 1
        await client.aclose()


async def test_a_command_to_a_silent_server_times_out() -> None:
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


async def test_a_restart_of_the_server_causes_no_error() -> None:
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
