"""The tables that DQL reads and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import dql
from tests.metering.support import metered, structured


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("fetch logs", "logs"),
        ('fetch logs | filter status == "ERROR" | limit 3', "logs"),
        ("fetch logs, from:now()-2h, scanLimitGBytes:-1 | summarize count(), by:{status}", "logs"),
        ("FETCH `dt.system.events` | fields a", "dt.system.events"),
        ("fetch a // | append [fetch b]\n| sort x desc", "a"),
        ('fetch a | filter content == "| join [fetch b]"', "a"),
        ("fetch a | lookup [fetch b | fields id], sourceField:x, lookupField:id", "a b"),
        ("fetch a | join [fetch b], on:{id} | append [fetch c]", "a b c"),
        ("fetch a | filter in(id, [fetch b | fields id])", "a b"),
        ("describe a", "a"),
    ],
)
def test_tables_read(text: str, read: str) -> None:
    found = dql.read(text)
    assert found is not None
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


@pytest.mark.parametrize(
    "text",
    [
        "timeseries avg(cpu)",
        "data record(a = 1)",
        'load "/lookups/b"',
        "fetch a | traverse b",
        "fetch a | unknown b",
        "fetch a | fieldsAdd entityName(dt.entity.host)",
        "fetch a | append [timeseries avg(cpu)]",
        "fetch a b",
        "fetch a | ",
    ],
)
def test_a_query_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = dql.read(text)
    assert found is not None
    assert not found.is_exhaustive


@pytest.mark.parametrize("text", ["", "fetch", "logs | limit 3", "fetch $table", "fetch a | join [", "SELECT 1 FROM t"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert dql.read(text) is None


def test_a_query_is_told_by_the_name_of_the_argument_or_by_its_text() -> None:
    rows = structured({"records": [{"a": 1}, {"a": 2}]})
    assert metered(rows, "execute_dql", dqlStatement="fetch logs").tables == ("logs",)
    assert metered(rows, "run", query="fetch logs | filter a == 1").tables == ("logs",)
    assert metered(rows, "run", query="fetch the orders of Ida").tables == ()
