"""The checks of the state of the gateway."""

from __future__ import annotations

import pytest
import redis.asyncio

from gateway.accounts.login_limits import ATTACK_FAILURES, LoginLimits
from gateway.accounts.users import UserStore
from gateway.alerts.checks.periodic import KEYS_SECONDS, STATE_SECONDS, StateChecks, periodic_checks
from gateway.alerts.queue import AlertQueue
from gateway.alerts.upstream_reports import REPORT_SECONDS, UpstreamReport, UpstreamReports
from gateway.redis import names
from gateway.usage.event import pack
from tests.support.admin_api import PASSWORD, event
from tests.support.clock import Clock

OWNER = "ada@example.com"


@pytest.fixture
def state(redis: redis.asyncio.Redis, clock: Clock) -> StateChecks:
    return StateChecks(redis, now_ms=clock.now_ms)


async def letter(client: redis.asyncio.Redis) -> None:
    await client.xadd(names.USAGE_DEAD_LETTERS, {"e": pack([event()]), "reason": "Code: 27"})


async def test_dead_letters_are_found_and_counted(redis: redis.asyncio.Redis, state: StateChecks) -> None:
    assert await state.dead_letters() == ()
    for _ in range(2):
        await letter(redis)
    [cause] = await state.dead_letters()
    assert (cause.type, cause.subject) == ("dead_letters", "usage")
    assert "refused 2 usage records" in cause.text
    assert "Code: 27" not in cause.text, "the reason may quote what was read"


async def test_further_dead_letters_are_told_once_in_an_hour(redis: redis.asyncio.Redis, state: StateChecks) -> None:
    hour = 3_600_000
    windows = []
    for at in (hour, hour + 60_000, 2 * hour):
        await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": b"", "reason": ""}, id=f"{at}-0")
        [cause] = await state.dead_letters()
        windows.append(cause.window)
    assert windows[0] == windows[1] != windows[2]


async def test_ten_wrong_logins_in_a_minute_are_an_attack(
    redis: redis.asyncio.Redis, state: StateChecks, clock: Clock
) -> None:
    users = UserStore(redis, now_ms=clock.now_ms)
    await users.add(OWNER, PASSWORD)
    users.passwords.close()
    logins = LoginLimits(redis, now_ms=clock.now_ms)
    for number in range(ATTACK_FAILURES):
        assert await state.attacks() == []
        await logins.failed(await logins.acquire(OWNER, f"192.0.2.{number}"))
        clock.advance(1)
    [cause] = await state.attacks()
    assert (cause.type, cause.subject, cause.extends) == ("account_attacked", OWNER, True)
    clock.advance(601)
    assert await state.attacks() == []


def report(clock: Clock, gateway: str, problem: str = "unreachable") -> UpstreamReport:
    return UpstreamReport(at=clock.now_ms(), gateway=gateway, upstream="10.0.0.5:9000", problem=problem)  # type: ignore[arg-type]


async def test_the_reports_of_all_workers_are_one_cause(
    redis: redis.asyncio.Redis, state: StateChecks, clock: Clock
) -> None:
    reports = UpstreamReports(redis, now_ms=clock.now_ms)
    assert await state.upstream() == []
    for worker, gateway in (("1", "eu"), ("2", "eu"), ("3", "us")):
        await reports.add(worker, report(clock, gateway))
    [cause] = await state.upstream()
    assert (cause.type, cause.subject) == ("upstream_unreachable", "10.0.0.5:9000")
    assert cause.text == (
        "The upstream 10.0.0.5:9000 cannot be reached from eu and 1 more: start it, or correct GATEWAY_UPSTREAM_URL."
    )


@pytest.mark.parametrize(
    ("problem", "fix"),
    [
        ("401", "GATEWAY_UPSTREAM_AUTHORIZATION"),
        ("407", "GATEWAY_UPSTREAM_AUTHORIZATION"),
        ("redirect", "GATEWAY_UPSTREAM_URL"),
    ],
)
async def test_a_refusal_names_the_setting(
    redis: redis.asyncio.Redis, state: StateChecks, clock: Clock, problem: str, fix: str
) -> None:
    await UpstreamReports(redis, now_ms=clock.now_ms).add("1", report(clock, "eu", problem))
    [cause] = await state.upstream()
    assert cause.type == "upstream_refused"
    assert fix in cause.text


async def test_reports_that_are_withdrawn_or_old_are_no_cause(
    redis: redis.asyncio.Redis, state: StateChecks, clock: Clock
) -> None:
    reports = UpstreamReports(redis, now_ms=clock.now_ms)
    for worker in ("1", "2"):
        await reports.add(worker, report(clock, "eu"))
    await reports.withdraw("1")
    clock.advance(REPORT_SECONDS + 1)
    assert await state.upstream() == []
    assert await redis.exists(names.UPSTREAM_REPORTS) == 0


def test_every_check_is_made_early_enough(redis: redis.asyncio.Redis, clock: Clock) -> None:
    checks = periodic_checks(redis, AlertQueue(redis, now_ms=clock.now_ms), now_ms=clock.now_ms)
    intervals = {check.name: check.seconds for check in checks if check.name != "history"}
    assert set(intervals) == {"keys", "dead letters", "upstream", "accounts"}
    assert max(intervals.values()) == max(KEYS_SECONDS, STATE_SECONDS) <= 15
