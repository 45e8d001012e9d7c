"""The watch of the upstream."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from gateway.alerts.upstream_reports import UpstreamReports
from gateway.proxy import upstream_watch
from gateway.proxy.clock import Clock as WorkerClock
from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream_watch import FAILURES, REFUSAL_SECONDS, UpstreamWatch
from tests.support.clock import Clock


class Upstream:
    """An upstream that is there or not."""

    def __init__(self) -> None:
        self.is_there = True

    async def is_reachable(self) -> bool:
        return self.is_there


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def reports(redis: redis.asyncio.Redis, clock: Clock) -> UpstreamReports:
    return UpstreamReports(redis, now_ms=clock.now_ms)


@pytest.fixture
def watch(reports: UpstreamReports, clock: Clock) -> UpstreamWatch:
    upstream = UpstreamAddress("https://mcp.example.com/mcp")
    return UpstreamWatch(reports, WorkerClock(clock.now_ms, clock.monotonic), gateway="eu", upstream=upstream)


async def reported(reports: UpstreamReports) -> list[tuple[str, str, str]]:
    return [(report.gateway, report.upstream, report.problem) for report in await reports.recent()]


AWAY = ("eu", "mcp.example.com:443", "unreachable")


async def test_an_upstream_that_is_away_is_reported_until_it_is_back(
    upstream: Upstream, watch: UpstreamWatch, reports: UpstreamReports
) -> None:
    upstream.is_there = False
    await watch.check(upstream.is_reachable)
    assert await reported(reports) == [], "a single failure is not reported"
    for _ in range(FAILURES):
        await watch.check(upstream.is_reachable)
    assert await reported(reports) == [AWAY]
    upstream.is_there = True
    await watch.check(upstream.is_reachable)
    assert await reported(reports) == []


async def test_an_upstream_that_does_not_answer_is_away(
    watch: UpstreamWatch, reports: UpstreamReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_watch, "PROBE_SECONDS", 0.01)

    async def hang() -> bool:
        await asyncio.Event().wait()
        return True

    for _ in range(FAILURES):
        await watch.check(hang)
    assert await reported(reports) == [AWAY]


async def test_a_refusal_is_reported_for_some_time(
    upstream: Upstream, watch: UpstreamWatch, reports: UpstreamReports, clock: Clock
) -> None:
    watch.refused("401")
    await watch.check(upstream.is_reachable)
    assert await reported(reports) == [("eu", "mcp.example.com:443", "401")]
    clock.advance(REFUSAL_SECONDS + 1)
    await watch.check(upstream.is_reachable)
    assert await reported(reports) == []


async def test_a_worker_that_ends_withdraws_its_report(
    upstream: Upstream, watch: UpstreamWatch, reports: UpstreamReports
) -> None:
    watch.refused("redirect")
    await watch.check(upstream.is_reachable)
    await watch.close()
    assert await reported(reports) == []
