"""The watch of the upstream."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis.asyncio

from gateway.alerts.upstream_reports import UpstreamReports
from gateway.proxy import upstream_watch
from gateway.proxy.clock import Clock as WorkerClock
from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream_watch import FAILURES, REFUSAL_SECONDS, UpstreamWatch
from gateway.timestamps import now_ms
from tests.support.clock import Clock
from tests.support.gateway import INITIALIZE, Gateway, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_raw, http


class Probe:
    """An upstream that is there or not."""

    def __init__(self) -> None:
        self.is_there = True

    async def is_reachable(self) -> bool:
        return self.is_there


@pytest.fixture
def probe() -> Probe:
    return Probe()


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
    probe: Probe, watch: UpstreamWatch, reports: UpstreamReports
) -> None:
    probe.is_there = False
    await watch.check(probe.is_reachable)
    assert await reported(reports) == [], "a single failure is not reported"
    for _ in range(FAILURES):
        await watch.check(probe.is_reachable)
    assert await reported(reports) == [AWAY]
    probe.is_there = True
    await watch.check(probe.is_reachable)
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
    probe: Probe, watch: UpstreamWatch, reports: UpstreamReports, clock: Clock
) -> None:
    watch.refused("401")
    await watch.check(probe.is_reachable)
    assert await reported(reports) == [("eu", "mcp.example.com:443", "401")]
    clock.advance(REFUSAL_SECONDS + 1)
    await watch.check(probe.is_reachable)
    assert await reported(reports) == []


async def test_a_worker_that_ends_withdraws_its_report(
    probe: Probe, watch: UpstreamWatch, reports: UpstreamReports
) -> None:
    watch.refused("redirect")
    await watch.check(probe.is_reachable)
    await watch.close()
    assert await reported(reports) == []


async def watched(gateway: Gateway) -> list[str]:
    """Let the worker check its upstream; return the problems that it has reported."""
    await gateway.worker.stores.upstream_watch.check(gateway.worker.services.forwarding.pool.is_reachable)
    return [report.problem for report in await UpstreamReports(gateway.redis, now_ms=now_ms).recent()]


@pytest.mark.parametrize(("status", "kind"), [("307", "redirect"), ("401", "401"), ("403", "403")])
async def test_a_response_that_refuses_the_gateway_is_reported(
    gateway: Gateway, upstream: ScriptedUpstream, status: str, kind: str
) -> None:
    assert await watched(gateway) == []
    upstream.answer = answer_raw(http(b"no", status=f"{status} No"))
    await gateway.post(INITIALIZE)
    assert await watched(gateway) == [kind]


async def test_a_challenge_that_passes_is_none_of_the_gateway(
    redis: redis.asyncio.Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, upstream_challenge="pass") as gateway:
        upstream.answer = answer_raw(http(b"no", status="401 No"))
        assert (await gateway.post(INITIALIZE)).status == 401
        assert await watched(gateway) == []
