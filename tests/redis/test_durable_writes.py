"""A durable write survives the kill of Redis."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from gateway.redis.client import connect
from gateway.redis.durable_writes import eval_durable
from tests.redis.conftest import StartServer
from tests.support.valkey import Valkey

_SET = "return redis.call('SET', KEYS[1], ARGV[1])"


async def test_a_durable_write_survives_the_kill_of_redis() -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        for number in range(8):
            # Redis is slowest to bring the first write after a start to the disk.
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


async def test_a_write_does_not_wait_for_a_server_without_an_append_only_file(start_server: StartServer) -> None:
    client = connect(f"redis://127.0.0.1:{start_server()}")
    assert await eval_durable(client, _SET, ["key"], ["x"]) == b"OK"
    with pytest.raises(ResponseError, match="wrong"):
        await eval_durable(client, "return redis.error_reply('wrong')", [], [])
    await client.aclose()
