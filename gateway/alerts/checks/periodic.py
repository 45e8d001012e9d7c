"""The checks that are made periodically, with their intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from gateway.accounts.login_limits import ATTACK_MEMORY_SECONDS, LoginLimits
from gateway.alerts import causes
from gateway.alerts.alert import Cause
from gateway.alerts.checks.keys import KeyCheck
from gateway.alerts.queue import AlertQueue
from gateway.alerts.service import Check
from gateway.alerts.upstream_reports import UpstreamReports
from gateway.usage.consumer.dead_letters import DeadLetters

STATE_SECONDS = 5.0
KEYS_SECONDS = 10.0
HISTORY_SECONDS = 3600.0


def periodic_checks(redis: Redis, queue: AlertQueue, *, now_ms: Callable[[], int]) -> Sequence[Check]:
    """Return the checks of a gateway."""
    state = StateChecks(redis, now_ms=now_ms)

    async def trim() -> Sequence[Cause]:
        await queue.trim()
        return ()

    return (
        Check("keys", KEYS_SECONDS, KeyCheck(redis, now_ms=now_ms).find, is_expensive=True),
        Check("dead letters", STATE_SECONDS, state.dead_letters),
        Check("upstream", STATE_SECONDS, state.upstream),
        Check("accounts", STATE_SECONDS, state.attacks),
        Check("history", HISTORY_SECONDS, trim),
    )


class StateChecks:
    """Checks of the state of a gateway. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._dead_letters = DeadLetters(redis)
        self._reports = UpstreamReports(redis, now_ms=now_ms)
        self._logins = LoginLimits(redis, now_ms=now_ms)
        self._now_ms = now_ms

    async def dead_letters(self) -> Sequence[Cause]:
        """Find dead letters."""
        newest = await self._dead_letters.newest()
        if newest is None:
            return ()
        return (causes.dead_letters_cause(await self._dead_letters.length(), newest.at),)

    async def upstream(self) -> Sequence[Cause]:
        """Find upstreams that workers cannot reach, or that refuse the gateway."""
        gateways: dict[tuple[str, str], set[str]] = defaultdict(set)
        for report in await self._reports.recent():
            gateways[report.upstream, report.problem].add(report.gateway)
        return [causes.upstream_cause(*trouble, sorted(found)) for trouble, found in gateways.items()]

    async def attacks(self) -> Sequence[Cause]:
        """Find accounts on which many wrong logins are made."""
        since = self._now_ms() - ATTACK_MEMORY_SECONDS * 1000
        return [causes.attack_cause(account.email) for account in await self._logins.accounts_under_attack(since)]
