"""Statistics: the calls of the history, added up, in any time zone, with percentiles."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.usage.event import UsageEvent
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries import statistics
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import history
from gateway.usage.store.queries.models import Stats, Sums
from gateway.usage.store.queries.period import InvalidPeriod, Period, statistics_period
from gateway.usage.store.queries.statistics import StatsRequest, stats
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, event, last_days

ALL_LISTS = frozenset[Any]({"owner", "client", "hour", "quarter_hour"})
QUARTER_HOUR = 900_000


async def insert(table: UsageTable, *events: UsageEvent) -> None:
    await table.insert_async(events, events[0].event_id)


def period(since: str | None = None, until: str | None = None, zone: str | None = None) -> Period:
    return statistics_period(None, since, until, zone, NOW_MS)


async def test_stats_have_the_rows_of_the_contract(table: UsageTable) -> None:
    await insert(
        table,
        event(created_at=NOW_MS - DAY_MS, table_names=("a", "b"), record_count=3, response_bytes=10, duration_ms=10.0),
        event(created_at=NOW_MS, table_names=("a",), record_count=4, response_bytes=20, duration_ms=10.0),
        event(
            created_at=NOW_MS,
            key_id="key_2",
            key_name="Other",
            tool_name="run_sql",
            table_names=(),
            record_count=0,
            is_error=True,
            response_bytes=30,
            duration_ms=10.0,
        ),
        event(created_at=NOW_MS, status="denied", is_error=True, record_count=0, table_names=("a",)),
    )
    times = {"p50_ms": 9.917, "p95_ms": 9.917, "p99_ms": 9.917}
    none = {"errors": 0, "denied": 0, "unknown_records": 0, **times}
    found = msgspec.json.decode(msgspec.json.encode(await last_days(table, 30)))
    assert found == {
        "days": 30,
        "since": "2026-05-23",
        "from": "2026-05-23T00:00:00.000Z",
        "to": None,
        "tz": "UTC",
        "totals": {"calls": 3, **none, "errors": 1, "denied": 1, "records": 7, "bytes": 60},
        "by_tool": [
            {"tool_name": "query_stock_daily", "calls": 2, **none, "denied": 1, "records": 7, "bytes": 30},
            {"tool_name": "run_sql", "calls": 1, **none, "errors": 1, "records": 0, "bytes": 30},
        ],
        "by_table": [
            {"table_name": "a", "calls": 2, **none, "denied": 1, "records": 7, "bytes": 30},
            {"table_name": None, "calls": 1, **none, "errors": 1, "records": 0, "bytes": 30},
            {"table_name": "b", "calls": 1, **none, "records": 3, "bytes": 10},
        ],
        "by_key": [
            {"key_id": "key_1", "key_name": "Analytics", "calls": 2, **none, "denied": 1, "records": 7, "bytes": 30},
            {"key_id": "key_2", "key_name": "Other", "calls": 1, **none, "errors": 1, "records": 0, "bytes": 30},
        ],
        "by_day": [
            {"day": "2026-06-20", "calls": 1, **none, "records": 3, "bytes": 10},
            {"day": "2026-06-21", "calls": 2, **none, "errors": 1, "denied": 1, "records": 4, "bytes": 50},
        ],
        "truncated": False,
    }


async def test_without_calls_everything_is_zero_or_empty(table: UsageTable) -> None:
    request = StatsRequest(period=period("2026-06-01"), by=ALL_LISTS, label_values={})
    found = await stats(table, request)
    assert found.totals == Sums(
        calls=0, errors=0, denied=0, records=0, unknown_records=0, bytes=0, p50_ms=None, p95_ms=None, p99_ms=None
    )
    lists = [getattr(found, name) for name in Stats.__struct_fields__ if name.startswith("by_")]
    assert lists[:-1] == [()] * (len(lists) - 1)
    assert found.by_minute is msgspec.UNSET


@pytest.mark.parametrize(
    ("since", "until"), [("2100-01-01", None), ("9999-12-30", "9999-12-31"), ("1998-01-01", "1999-01-01")]
)
async def test_a_period_outside_the_times_of_the_table_has_no_calls(
    table: UsageTable, since: str, until: str | None
) -> None:
    await insert(table, event())
    found = await stats(table, StatsRequest(period=period(since, until), by=ALL_LISTS))
    assert (found.totals.calls, found.by_day) == (0, ())


async def test_unknown_counts_are_not_zero(table: UsageTable) -> None:
    await insert(table, event(record_count=None, table_names=()), event(record_count=0), event(record_count=7))
    found = await last_days(table)
    assert (found.totals.records, found.totals.unknown_records) == (7, 1)
    assert {row.table_name: row.unknown_records for row in found.by_table} == {"stock_daily": 0, None: 1}


async def test_what_was_only_denied_has_rows_without_percentiles(table: UsageTable) -> None:
    await insert(table, event(status="denied", is_error=True))
    found = await last_days(table)
    row = found.by_tool[0]
    assert (row.calls, row.errors, row.denied, row.records, row.bytes, row.p99_ms) == (0, 0, 1, 0, 0, None)


async def test_a_day_is_a_whole_day_of_the_zone(table: UsageTable) -> None:
    # NOW_MS is midnight in UTC, and 05:45 in Kathmandu.
    await insert(
        table,
        event(created_at=NOW_MS),
        event(created_at=NOW_MS - 1),
        event(created_at=NOW_MS - DAY_MS),
        event(created_at=NOW_MS - DAY_MS - 1),
    )
    assert [(await last_days(table, days)).totals.calls for days in (1, 2, 3)] == [1, 3, 4]

    async def calls(days: int) -> int:
        return (
            await stats(table, StatsRequest(period=statistics_period(days, None, None, "Asia/Kathmandu", NOW_MS)))
        ).totals.calls

    assert [await calls(days) for days in (1, 2)] == [2, 4]


@pytest.mark.parametrize("days", [0, -1, 1001])
def test_an_invalid_number_of_days_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match=r"^days must be"):
        statistics_period(days, None, None, None, NOW_MS)


async def test_statistics_show_the_latest_name_of_a_key_and_history_its_name_at_the_time(table: UsageTable) -> None:
    await insert(table, event(created_at=NOW_MS + 5, key_name="new"))
    await insert(table, event(created_at=NOW_MS + 1, key_name="old"))
    assert [row.key_name for row in (await last_days(table)).by_key] == ["new"]
    assert [item.key_name for item in (await history(table, CallFilters())).items] == ["new", "old"]


async def test_a_repeated_hour_has_two_rows_with_their_offsets(table: UsageTable) -> None:
    start = int(datetime.datetime(2025, 10, 26, tzinfo=datetime.UTC).timestamp() * 1000)
    await insert(table, *(event(created_at=start + half * QUARTER_HOUR * 2) for half in range(6)))
    day = period("2025-10-26", "2025-10-26", "Europe/Berlin")
    found = await stats(table, StatsRequest(period=day, by=frozenset({"hour", "quarter_hour"})))
    assert [(row.hour, row.calls) for row in found.by_hour or ()] == [
        ("2025-10-26T02:00:00+02:00", 2),
        ("2025-10-26T02:00:00+01:00", 2),
        ("2025-10-26T03:00:00+01:00", 2),
    ]
    assert [row.quarter_hour for row in found.by_quarter_hour or ()][1:3] == [
        "2025-10-26T02:30:00+02:00",
        "2025-10-26T02:00:00+01:00",
    ]
    assert [(row.day, row.calls) for row in found.by_day] == [("2025-10-26", 6)]


async def test_labels_group_the_keys_that_have_them(table: UsageTable) -> None:
    await insert(table, *(event(key_id=key_id) for key_id in ("key_1", "key_1", "key_2", "key_3", "key_4")))
    many = {f"other_{number}": "unused" for number in range(2500)}
    labels = {**many, "key_1": "red", "key_3": "red", "key_2": "it's; 🟦"}
    found = await stats(table, StatsRequest(period=period("2026-06-01"), label_values=labels))
    assert [(row.value, row.calls) for row in found.by_label or ()] == [("red", 3), (None, 1), ("it's; 🟦", 1)]
    assert len(found.by_key) == 4


async def test_minutes_come_from_the_rows_within_exact_bounds(table: UsageTable) -> None:
    await insert(table, *(event(created_at=NOW_MS + 1000 * second) for second in (0, 59, 60, 130, 131)))
    bounds = period("2026-06-21T00:00:01Z", "2026-06-21T00:02:11Z", "Asia/Kathmandu")
    found = await stats(table, StatsRequest(period=bounds, by=frozenset({"minute"})))
    assert [(row.minute, row.calls) for row in found.by_minute or ()] == [
        ("2026-06-21T05:45:00+05:45", 1),
        ("2026-06-21T05:46:00+05:45", 1),
        ("2026-06-21T05:47:00+05:45", 1),
    ]
    assert found.totals.calls == 3


@pytest.mark.parametrize(("step", "days"), [("minute", 3), ("quarter_hour", 200), ("hour", 500)])
async def test_a_list_by_time_with_too_many_rows_is_refused_by_name(table: UsageTable, step: Any, days: int) -> None:
    await insert(table, event())
    request = StatsRequest(period=statistics_period(days, None, None, None, NOW_MS), by=frozenset({step}))
    with pytest.raises(InvalidPeriod, match=f"^by_{step} needs a period of at most"):
        await stats(table, request)


async def test_a_period_since_forever_begins_with_the_first_call(table: UsageTable) -> None:
    await insert(table, event(created_at=NOW_MS - 2000 * DAY_MS), event())
    found = await stats(table, StatsRequest(period=period("1970-01-01")))
    assert (found.totals.calls, found.since, found.days) == (2, "2020-12-29", 2001)


async def test_calls_beyond_the_retention_are_not_shown(table: UsageTable) -> None:
    # The engine has not removed it: it uses its own clock.
    await insert(table, event(created_at=NOW_MS), event(created_at=NOW_MS - 1))
    table.retention = Retention(usage_days=1)
    assert (await history(table, CallFilters())).total == 1
    for found in (await last_days(table), await stats(table, StatsRequest(period=period("2026-01-01")))):
        assert (found.totals.calls, found.since) == (1, "2026-06-21")
    before = await stats(table, StatsRequest(period=period("2026-01-01", "2026-01-31")))
    assert before.totals.calls == 0


async def test_lists_are_bounded_and_say_so(table: UsageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_ROWS", 3)
    await insert(table, *(event(tool_name=f"tool {number}") for number in range(5)))
    found = await last_days(table)
    assert len(found.by_tool) == 3
    assert found.truncated
    assert found.totals.calls == 5


# Agreement with the calls.


def some_events(source: random.Random, count: int) -> list[UsageEvent]:
    """Return random calls of a few owners, keys, tools, tables, clients and days."""
    return [
        event(
            created_at=NOW_MS - source.randrange(6 * DAY_MS),
            owner=source.choice(["ada@example.com", "eve@example.com"]),
            key_id=f"key_{source.randrange(4)}",
            tool_name=source.choice(["a", "b", "c"]),
            table_names=tuple(source.sample(["t1", "t2", "t3"], source.randrange(4))),
            client_name=source.choice(["cursor", "curl", ""]),
            record_count=source.choice([None, 0, 1, 50]),
            status=(status := source.choice(["ok", "ok", "ok", "tool_error", "rpc_error", "denied"])),
            is_error=status != "ok",
            response_bytes=source.randrange(10_000),
            duration_ms=source.choice([0.0, source.random() * 10, source.lognormvariate(4, 2)]),
        )
        for _ in range(count)
    ]


def added_up(rows: Sequence[UsageEvent]) -> tuple[int, ...]:
    calls = [row for row in rows if row.status != "denied"]
    return (
        len(calls),
        sum(row.is_error for row in calls),
        len(rows) - len(calls),
        sum(row.record_count or 0 for row in calls),
        sum(row.record_count is None for row in calls),
        sum(row.response_bytes for row in calls),
    )


def assert_row(row: Any, rows: Sequence[UsageEvent]) -> None:
    assert (row.calls, row.errors, row.denied, row.records, row.unknown_records, row.bytes) == added_up(rows)
    durations = sorted(one.duration_ms for one in rows if one.status != "denied")
    for level, found in ((0.5, row.p50_ms), (0.95, row.p95_ms), (0.99, row.p99_ms)):
        expected = durations[math.ceil(level * len(durations)) - 1] if durations else None
        assert found == (None if expected is None else pytest.approx(expected, rel=0.02, abs=0.001))


def assert_list(rows: Any, name: str, events: Sequence[UsageEvent], of: Callable[[UsageEvent], Iterable[Any]]) -> None:
    found = {getattr(row, name): row for row in rows}
    assert set(found) == {value for one in events for value in of(one)}
    for value, row in found.items():
        assert_row(row, [one for one in events if value in of(one)])


def assert_agrees(found: Stats, events: Sequence[UsageEvent], zone: str) -> None:
    def local(one: UsageEvent, milliseconds: int) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(one.created_at // milliseconds * milliseconds // 1000, ZoneInfo(zone))

    def hour(one: UsageEvent) -> str:
        # No offset changes within these days.
        return local(one, 1000).replace(minute=0, second=0).isoformat()

    assert_row(found.totals, events)
    assert_list(found.by_tool, "tool_name", events, lambda one: [one.tool_name])
    assert_list(found.by_table, "table_name", events, lambda one: one.table_names or (None,))
    assert_list(found.by_key, "key_id", events, lambda one: [one.key_id])
    assert_list(found.by_day, "day", events, lambda one: [local(one, 1000).date().isoformat()])
    assert_list(found.by_owner, "owner", events, lambda one: [one.owner])
    assert_list(found.by_client, "client_name", events, lambda one: [one.client_name])
    assert_list(found.by_label, "value", events, lambda one: ["x" if one.key_id in ("key_1", "key_2") else None])
    assert_list(found.by_hour, "hour", events, lambda one: [hour(one)])
    assert_list(found.by_quarter_hour, "quarter_hour", events, lambda one: [local(one, QUARTER_HOUR).isoformat()])
    for rows, name in ((found.by_day, "day"), (found.by_hour, "hour"), (found.by_quarter_hour, "quarter_hour")):
        times = [getattr(row, name) for row in rows or ()]
        assert times == sorted(times)


ZONES = ["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Asia/Calcutta"]


def random_moment(source: random.Random) -> int:
    unit = source.choice([1, 1000, QUARTER_HOUR, 4 * QUARTER_HOUR, DAY_MS])
    return (NOW_MS - source.randrange(7 * DAY_MS)) // unit * unit


def random_filters(source: random.Random) -> CallFilters:
    values: dict[str, Any] = {
        "owner": "ada@example.com",
        "key_id": "key_1",
        "tool": "a",
        "table": "t1",
        "client": "cursor",
    }
    chosen = source.sample(sorted(values), source.choice([0, 0, 1, 1, 2]))
    return CallFilters(**{name: values[name] for name in chosen})


def passes(one: UsageEvent, filters: CallFilters) -> bool:
    return (
        filters.owner in (None, one.owner)
        and filters.key_id in (None, one.key_id)
        and filters.tool in (None, one.tool_name)
        and (filters.table is None or filters.table in one.table_names)
        and filters.client in (None, one.client_name)
    )


@pytest.mark.parametrize("seed", range(3))
async def test_statistics_agree_with_the_calls_and_with_history(table: UsageTable, seed: int) -> None:
    source = random.Random(seed)
    events = some_events(source, 400)
    table.open()
    for name in (LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE):
        table.write(f"SYSTEM STOP MERGES {name}", {})
    for start in range(0, 400, 50):
        for _ in range(2):
            # An insert is repeated under its token.
            await table.insert_async(events[start : start + 50], f"batch {start}")
    for _ in range(12):
        zone = source.choice(ZONES)
        since, until = sorted([random_moment(source), random_moment(source)])
        bounds = Period(since, source.choice([until + 1, None]), zone)
        filters = random_filters(source)
        labels = {"key_1": "x", "key_2": "x"}
        found = await stats(table, StatsRequest(period=bounds, filters=filters, by=ALL_LISTS, label_values=labels))
        end = math.inf if bounds.until is None else bounds.until
        rows = [one for one in events if since <= one.created_at < end and passes(one, filters)]
        assert_agrees(found, rows, zone)
        page = await history(table, msgspec.structs.replace(filters, since=bounds.since, until=bounds.until))
        assert page.total == found.totals.calls + found.totals.denied == len(rows)
