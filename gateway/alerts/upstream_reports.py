"""Reports of the gateway workers: the upstream cannot be reached, or refuses the gateway.

A worker repeats its report while the trouble lasts, and withdraws it afterwards. Reports of workers that have ended are
old, and are ignored and removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from redis.asyncio import Redis

from gateway.redis import names as redis_names

Problem = Literal["unreachable", "redirect", "401", "403", "407"]

REPORT_SECONDS = 60
"""Age from which a report counts as old."""


class UpstreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """The trouble that one worker has with its upstream."""

    at: int
    """Milliseconds since the epoch."""
    gateway: str
    upstream: str
    """Host and port."""
    problem: Problem


class UpstreamReports:
    """The reports of all workers. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms

    async def add(self, worker: str, report: UpstreamReport) -> None:
        """Store the report of a worker instead of its earlier one."""
        await self._redis.hset(redis_names.UPSTREAM_REPORTS, worker, msgspec.json.encode(report).decode())

    async def withdraw(self, worker: str) -> None:
        """Remove the report of a worker, if any."""
        await self._redis.hdel(redis_names.UPSTREAM_REPORTS, worker)

    async def recent(self) -> Sequence[UpstreamReport]:
        """Return the reports that are not old, and remove the others."""
        found = await self._redis.hgetall(redis_names.UPSTREAM_REPORTS)
        oldest = self._now_ms() - REPORT_SECONDS * 1000
        reports = {worker: msgspec.json.decode(stored, type=UpstreamReport) for worker, stored in found.items()}
        old = [worker for worker, report in reports.items() if report.at < oldest]
        if old:
            await self._redis.hdel(redis_names.UPSTREAM_REPORTS, *old)
        return [report for report in reports.values() if report.at >= oldest]
