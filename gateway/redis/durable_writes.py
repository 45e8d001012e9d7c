"""Writes that wait, for a bounded time, until the append-only file of Redis has them on disk (`WAITAOF`, Redis 7.2).

They do not wait on a Cluster, nor if the server has no append-only file or does not know the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway.redis.client import is_cluster

FSYNC_TIMEOUT_MS = 1000
"""Milliseconds that a write waits at most; with `appendfsync everysec` it waits about a tenth of that."""


async def eval_durable(client: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Run a script and return its result when its writes are on disk, or after `FSYNC_TIMEOUT_MS` in any case.

    Raises `redis.exceptions.RedisError`.
    """
    if is_cluster(client):
        return await client.eval(script, len(keys), *keys, *arguments)
    return (await _eval_and_wait(client, script, keys, arguments))[0]


async def wait_for_fsync(client: Redis, marker_key: str) -> bool:
    """Return True once all acknowledged writes are on disk, False after `FSYNC_TIMEOUT_MS`; sets `marker_key`.

    True also if this cannot be waited for. Raises `redis.exceptions.RedisError`.
    """
    if is_cluster(client):
        return True
    _, fsynced = await _eval_and_wait(client, "return redis.call('SET', KEYS[1], 1)", [marker_key], [])
    return isinstance(fsynced, ResponseError) or fsynced[0] > 0


async def _eval_and_wait(client: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> tuple[Any, Any]:
    # On one connection, because WAITAOF waits for the writes of its own connection and all earlier ones.
    async with client.pipeline(transaction=False) as pipe:
        pipe.eval(script, len(keys), *keys, *arguments)
        pipe.execute_command("WAITAOF", 1, 0, FSYNC_TIMEOUT_MS)
        result, fsynced = await pipe.execute(raise_on_error=False)
    if isinstance(result, Exception):
        raise result
    return result, fsynced
