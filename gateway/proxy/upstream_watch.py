"""Watches the upstream for alerts: reports to Redis that it cannot be reached, or that it refuses the gateway.

The upstream is connected to at intervals, so that it is missed also while there are no calls. A single failure, as
during a restart of the upstream, is not reported.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from redis.exceptions import RedisError

from gateway.alerts.upstream_reports import Problem, UpstreamReport, UpstreamReports
from gateway.proxy.clock import Clock
from gateway.proxy.upstream.config import UpstreamAddress

INTERVAL_SECONDS = 5.0
RETRY_SECONDS = 2.0
"""Time after the first failure until the second attempt."""
PROBE_SECONDS = 5.0
"""Time for one attempt to connect."""
FAILURES = 2
"""Attempts that must fail before it is reported."""
REFUSAL_SECONDS = 30.0
"""Time for which a refusal of the upstream is reported."""

log = logging.getLogger(__name__)


class UpstreamWatch:
    """The state of the upstream as one worker sees it."""

    def __init__(self, reports: UpstreamReports, clock: Clock, *, gateway: str, upstream: UpstreamAddress) -> None:
        self._reports = reports
        self._clock = clock
        self._gateway = gateway
        self._upstream = f"{upstream.hostname}:{upstream.port}"
        self._worker = secrets.token_hex(8)
        self._failures = 0
        self._refusal: tuple[Problem, float] | None = None
        """The kind and the monotonic time of the last refusal."""
        self._is_reported = False

    def refused(self, kind: str) -> None:
        """Register that the upstream has refused the gateway: `redirect`, or the status of a challenge."""
        self._refusal = cast(Problem, kind), self._clock.monotonic()

    async def run(self, is_reachable: Callable[[], Awaitable[bool]]) -> None:
        """Check at intervals until cancelled."""
        while True:
            await asyncio.sleep(RETRY_SECONDS if 0 < self._failures < FAILURES else INTERVAL_SECONDS)
            try:
                await self.check(is_reachable)
            except (RedisError, OSError) as error:
                log.debug("the state of the upstream was not reported: %s", error)
            except Exception:
                log.exception("the upstream was not checked")

    async def check(self, is_reachable: Callable[[], Awaitable[bool]]) -> None:
        """Connect to the upstream, and report or withdraw. Raises `redis.exceptions.RedisError`."""
        self._failures = 0 if await _within(PROBE_SECONDS, is_reachable) else self._failures + 1
        problem = self._problem()
        if problem is not None:
            self._is_reported = True
            report = UpstreamReport(
                at=self._clock.now_ms(), gateway=self._gateway, upstream=self._upstream, problem=problem
            )
            await self._reports.add(self._worker, report)
        elif self._is_reported:
            await self._reports.withdraw(self._worker)
            self._is_reported = False

    async def close(self) -> None:
        """Withdraw what was reported."""
        if self._is_reported:
            with suppress(RedisError, OSError):
                await self._reports.withdraw(self._worker)

    def _problem(self) -> Problem | None:
        if self._failures >= FAILURES:
            return "unreachable"
        if self._refusal is not None and self._clock.monotonic() - self._refusal[1] <= REFUSAL_SECONDS:
            return self._refusal[0]
        return None


async def _within(seconds: float, is_reachable: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await is_reachable()
    except TimeoutError:
        return False
