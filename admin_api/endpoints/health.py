"""Liveness and readiness probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Literal

import msgspec
from aiohttp import web
from redis.exceptions import RedisError

from admin_api.dependencies import Dependencies
from gateway.usage.store.errors import UsageTableUnavailable

PROBE_TIMEOUT_SECONDS = 2.0

State = Literal["ok", "unavailable"]


class Alive(msgspec.Struct, frozen=True):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True):
    """The state of each database, checked with a time-out of two seconds."""

    status: Literal["ok", "unavailable", "starting", "draining"]
    """`starting`: there is no user yet, so nobody can log in."""
    redis: State
    clickhouse: State


async def healthz(request: web.Request) -> web.Response:
    """Respond 200 as long as the process runs."""
    return _response(200, Alive())


def readyz(deps: Dependencies) -> Any:
    """Return the handler of `/readyz`: 200 if Redis and ClickHouse are available and a user exists, else 503."""

    async def handler(request: web.Request) -> web.Response:
        is_empty = asyncio.ensure_future(deps.users.is_empty())
        redis, clickhouse = await asyncio.gather(_state(is_empty), _state(deps.usage.query_async("SELECT 1")))
        if deps.draining.is_set():
            return _response(503, Readiness("draining", redis, clickhouse))
        if "unavailable" in {redis, clickhouse}:
            return _response(503, Readiness("unavailable", redis, clickhouse))
        if is_empty.result():
            return _response(503, Readiness("starting", redis, clickhouse))
        return _response(200, Readiness("ok", redis, clickhouse))

    return handler


async def _state(probe: Awaitable[object]) -> State:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await probe
    except (RedisError, UsageTableUnavailable, TimeoutError, OSError):
        return "unavailable"
    return "ok"


def _response(status: int, body: msgspec.Struct) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
