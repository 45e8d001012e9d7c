"""Show the state of the installation. Each part has a time-out; a part that fails leaves the others as they are."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from admin_api.dependencies import Dependencies
from admin_api.endpoints.system.models import (
    STATUS_EXAMPLE,
    DeadLetterState,
    EngineState,
    Finding,
    SpoolState,
    StreamState,
    SystemStatus,
    Versions,
)
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing
from gateway.doctor.deployment import Check
from gateway.redis import names as redis_names
from gateway.timestamps import format_rfc3339
from gateway.usage.consumer.stream_consumer import stream_backlog
from gateway.usage.reconciliation import MONITOR_DAYS, reconcile
from gateway.usage.store.errors import UsageTableUnavailable

PROBE_SECONDS = 2.0
BALANCE_SECONDS = 4.0
_PATIENCE = 1.0
DIAGNOSIS_SECONDS = 10.0

Result = TypeVar("Result")


class _Probe(NamedTuple):
    state: EngineState
    version: str | None


async def read_system(deps: Dependencies, caller: ApiCaller, params: Nothing) -> SystemStatus:
    """Return the state of the installation."""
    return cast(SystemStatus, await deps.system_status.get(lambda: _read(deps)))


async def _read(deps: Dependencies) -> SystemStatus:
    # Alone, so that the work of the checks does not count as their latency.
    redis, clickhouse = await asyncio.gather(
        _probe(_redis_version(deps.redis), "see the check of Redis, and its log"),
        _probe(_clickhouse_version(deps), "see the log of the admin process; usage waits in Redis until then"),
    )
    stream, letters, spool, balance, checks = await asyncio.gather(
        _within(PROBE_SECONDS, stream_backlog(deps.redis, redis_names.USAGE), (None, None)),
        _within(PROBE_SECONDS, stream_backlog(deps.redis, redis_names.USAGE_DEAD_LETTERS), (None, None)),
        _within(PROBE_SECONDS, _spooled(deps.redis), SpoolState(events=None, processes=None)),
        _within(BALANCE_SECONDS, reconcile(deps.redis, deps.usage, MONITOR_DAYS, _PATIENCE), None),
        _within(DIAGNOSIS_SECONDS, deps.diagnose(), (_TIMED_OUT,)),
    )
    return SystemStatus(
        checked_at=format_rfc3339(deps.now_ms()),
        redis=redis.state,
        clickhouse=clickhouse.state,
        upstream=_upstream(checks),
        stream=StreamState(entries=stream[0], oldest_at=format_rfc3339(stream[1])),
        spool=spool,
        dead_letters=DeadLetterState(entries=letters[0], oldest_at=format_rfc3339(letters[1])),
        balance=balance,
        versions=Versions(
            gateway=deps.version,
            python=platform.python_version(),
            redis=redis.version,
            clickhouse=clickhouse.version,
        ),
        findings=[
            Finding(name=check.name, status=check.state, finding=check.finding, fix=check.fix) for check in checks
        ],
    )


_TIMED_OUT = Check("checks", "failed", "gave no result in time", "see the log of the admin process")


async def _within(seconds: float, reading: Awaitable[Result], otherwise: Result) -> Result:
    """Return the result, or `otherwise` if reading fails or takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except (RedisError, UsageTableUnavailable, TimeoutError, OSError):
        return otherwise


async def _probe(version: Awaitable[str], fix: str) -> _Probe:
    started = time.perf_counter()
    product = await _within(PROBE_SECONDS, version, None)
    if product is None:
        return _Probe(EngineState(status="failed", detail=f"gave no answer within {PROBE_SECONDS:g} s", fix=fix), None)
    latency_ms = round((time.perf_counter() - started) * 1000, 1)
    return _Probe(EngineState(status="ok", detail=f"{product} answers", latency_ms=latency_ms), product.split()[-1])


async def _redis_version(redis: Redis) -> str:
    info = await redis.info("server")
    product = str(info.get("server_name") or "redis")
    return f"{product} {info.get('valkey_version') or info.get('redis_version')}"


async def _clickhouse_version(deps: Dependencies) -> str:
    ((version,),) = await deps.usage.query_async("SELECT version()")
    return f"ClickHouse {version}"


async def _spooled(redis: Redis) -> SpoolState:
    by_process = await cast(Awaitable[dict[bytes, bytes]], redis.hgetall(redis_names.USAGE_SPOOLED_ONLY))
    return SpoolState(events=sum(map(int, by_process.values())), processes=len(by_process))


def _upstream(checks: Sequence[Check]) -> EngineState:
    for check in checks:
        if check.name == "upstream":
            return EngineState(status=check.state, detail=check.finding, fix=check.fix)
    return EngineState(status="skipped", detail="was not checked")


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/system",
        summary="The health of Redis, ClickHouse and the upstream, the state of the delivery, versions and findings",
        access="auditor",
        params=Nothing,
        handler=read_system,
        response=SystemStatus,
        request_example=Nothing(),
        response_example=STATUS_EXAMPLE,
    ),
)
