"""The causes of alerts."""

from __future__ import annotations

import pytest

from gateway.alerts.causes import LimitHolder, key_end_cause, limit_causes, unbalanced_cause
from gateway.keys.limit_use import LimitUse
from gateway.keys.limits import Limit, Period
from gateway.keys.record import KeyRecord
from gateway.timestamps import DAY_MS
from gateway.usage.reconciliation import Balance

NOW = 1_767_225_600_000
LONG_AGO = NOW - 100 * DAY_MS


def key(*, expires_in: float | None = None, created_at: int = LONG_AGO, revoked_at: int | None = None) -> KeyRecord:
    return KeyRecord(
        key_id="key_1",
        key_name="laptop",
        key_prefix="sk-abc",
        owner="ada@example.com",
        created_at=created_at,
        expires_at=None if expires_in is None else NOW + int(expires_in * DAY_MS),
        revoked_at=revoked_at,
    )


def use(used: int, cap: int = 100, period: Period | None = "day") -> LimitUse:
    return LimitUse(Limit("calls_per_day", "key", "key_1", cap, "calls", period), used, NOW + DAY_MS)


def of_key() -> LimitHolder:
    return LimitHolder.key(key())


def told(limit_use: LimitUse) -> list[str]:
    return [cause.type for cause in limit_causes(of_key, limit_use)]


@pytest.mark.parametrize(
    ("used", "types"),
    [
        (0, []),
        (79, []),
        (80, ["limit_80"]),
        (99, ["limit_80"]),
        (100, ["limit_80", "limit_100"]),
        (250, ["limit_80", "limit_100"]),
    ],
)
def test_a_limit_is_told_at_80_and_at_100_percent(used: int, types: list[str]) -> None:
    assert told(use(used)) == types


@pytest.mark.parametrize(
    ("cap", "used", "types"), [(1, 1, ["limit_80", "limit_100"]), (3, 2, []), (6, 5, ["limit_80"])]
)
def test_small_limits_are_told_when_the_share_is_reached(cap: int, used: int, types: list[str]) -> None:
    assert told(use(used, cap)) == types


def test_calls_in_flight_have_no_window_and_are_not_told() -> None:
    assert told(use(100, period=None)) == []


def test_the_windows_of_a_limit_differ_by_day_and_by_limit() -> None:
    [today] = limit_causes(of_key, use(80))
    [tomorrow] = limit_causes(of_key, use(80)._replace(resets_at=NOW + 2 * DAY_MS))
    [raised] = limit_causes(of_key, use(160, cap=200))
    assert len({today.window, tomorrow.window, raised.window}) == 3
    assert not today.extends


def test_the_window_of_a_minute_lasts_while_the_limit_is_reached() -> None:
    [now] = limit_causes(of_key, use(80, period="minute"))
    [later] = limit_causes(of_key, use(90, period="minute")._replace(resets_at=NOW + 1000))
    assert (now.window, now.extends) == (later.window, True)


def test_the_text_of_a_limit_names_the_fix() -> None:
    [near] = limit_causes(lambda: LimitHolder.owner("ada@example.com"), use(81))
    assert near.text == (
        "The keys of ada@example.com have reached 80 % of calls_per_day (81 of 100 tool calls a day): raise the limit "
        "with `mcp-gateway user policy ada@example.com`, or wait until it resets at 2026-01-02 00:00 UTC."
    )
    assert near.subject == "ada@example.com"


@pytest.mark.parametrize(
    ("days_left", "told_days"),
    [
        (20, None),
        (14.01, None),
        (14, 14),
        (10, 14),
        (3.01, 14),
        (3, 3),
        (1.01, 3),
        (1, 1),
        (0.01, 1),
        (0, None),
        (-1, None),
    ],
)
def test_a_key_is_told_at_the_last_of_its_times(days_left: float, told_days: int | None) -> None:
    cause = key_end_cause(key(expires_in=days_left), NOW)
    if told_days is None:
        assert cause is None
    else:
        assert cause is not None
        assert f"within {told_days} day" in cause.text
        assert cause.subject == "key_1"


@pytest.mark.parametrize(
    ("lifetime", "is_told"), [(14, True), (3, True), (1, True), (10, False), (2, False), (0.5, False)]
)
def test_a_new_key_is_told_only_if_its_lifetime_is_one_of_the_times(lifetime: float, *, is_told: bool) -> None:
    assert (key_end_cause(key(expires_in=lifetime, created_at=NOW), NOW) is not None) is is_told


def test_a_key_that_is_revoked_or_has_no_end_is_not_told() -> None:
    assert key_end_cause(key(), NOW) is None
    assert key_end_cause(key(expires_in=1, revoked_at=NOW), NOW) is None


def balance(**counts: int) -> Balance:
    numbers = dict.fromkeys(("accepted", "written", "waiting", "spooled", "dead_lettered", "dropped", "summed"), 0)
    return Balance(days=2, since="2026-01-01", balanced=False, **{**numbers, **counts})


@pytest.mark.parametrize(
    ("counts", "told_counts"),
    [
        ({"accepted": 10, "written": 7, "summed": 7}, "of 10 accepted events, 3 cannot be found"),
        ({"accepted": 10, "written": 12, "summed": 12}, "2 more are found than the 10 that were accepted"),
        ({"accepted": 10, "written": 10, "summed": 9}, "the sums of 9 calls differ from the 10 rows"),
    ],
)
def test_the_text_of_a_difference_says_which_one(counts: dict[str, int], told_counts: str) -> None:
    assert told_counts in unbalanced_cause(balance(**counts)).text


def test_each_end_of_a_key_is_its_own_window() -> None:
    windows = [key_end_cause(key(expires_in=days), NOW) for days in (14, 10, 3, 1)]
    assert len({cause.window for cause in windows if cause is not None}) == 4
