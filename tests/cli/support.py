"""Access to Redis for synchronous tests of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from redis.asyncio import Redis

from gateway.accounts.users import UserStore
from gateway.redis.client import connect
from gateway.timestamps import now_ms

Capture = pytest.CaptureFixture[str]
Result = TypeVar("Result")


def on_redis(url: str, work: Callable[[Redis], Awaitable[Result]]) -> Result:
    """Connect, run `work`, disconnect, and return its result."""

    async def run() -> Result:
        redis = connect(url)
        try:
            return await work(redis)
        finally:
            await redis.aclose()

    return asyncio.run(run())


def on_users(url: str, work: Callable[[UserStore], Awaitable[Result]]) -> Result:
    """Run `work` on the users in Redis."""

    async def run(redis: Redis) -> Result:
        users = UserStore(redis, now_ms=now_ms)
        try:
            return await work(users)
        finally:
            users.passwords.close()

    return on_redis(url, run)


def flush(url: str) -> None:
    """Delete everything in Redis."""

    async def run(redis: Redis) -> None:
        await redis.flushall()

    on_redis(url, run)
