"""The tables that KQL reads, writes and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import kql
from gateway.metering.queries.analysis import QueryAnalysis


def analyzed(text: str) -> QueryAnalysis:
    found = kql.read(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('StormEvents | where State == "TEXAS" | summarize count() by EventType', "stormevents"),
        ("T", "t"),
        ("T | join kind=inner (U | where x > 1) on $left.a == $right.b", "t u"),
        ("T | join hint.strategy=shuffle U on id", "t u"),
        ("T | lookup kind=leftouter U on x", "t u"),
        ("union T, (U | take 1) | count", "t u"),
        ("union isfuzzy=true withsource=s T, U", "t u"),
        ("let x = U | take 1; T | where id in (x)", "t u"),
        ("let T = U; T", "u"),
        ("let T = T | take 1; T", "t"),
        ("let f = (x:long) { U | where y == x }; f(1)", "u"),
        ("let v = view () { U }; v", "u"),
        ("let n = 5; let s = 'U'; T | take n", "t"),
        ("T | where id in ((U | project id))", "t u"),
        ("T | extend x = toscalar(U | count)", "t u"),
        ('database("db").T | take 1', "db.t"),
        ("['my table'] | take 5", "my table"),
        ('table("T") | take 5', "t"),
        ('search in (T, U) "x"', "t u"),
        ("find in (T, U) where x == 1", "t u"),
        ("T | where x has '| union U' // | union V", "t"),
        ('T | where x == @"\\" | union U', "t u"),
        ("T | fork (take 1) (where x > 1 | count)", "t"),
        ("T | mv-apply x on (top 1 by y)", "t"),
        ("T | partition by x (top 1 by y)", "t"),
        ("print x = 1", ""),
        ("range x from 1 to 10 step 1 | union T", "t"),
        ("datatable(a:int)[1, 2] | count", ""),
        ("materialize(T | take 1) | count", "t"),
    ],
)
def test_tables_read(text: str, read: str) -> None:
    found = analyzed(text)
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [("T | where id in (U)", ("t", "u")), ("let U = T; V | where id in (U)", ("t", "v"))],
)
def test_a_name_after_in_may_be_a_table(text: str, named: tuple[str, ...]) -> None:
    assert analyzed(text).named == named


@pytest.mark.parametrize(
    ("text", "written", "returns_rows"),
    [
        (".set-or-append T <| U | take 1", ("t",), False),
        (".set T <| U", ("t",), False),
        (".ingest into table T (h'https://example.com/x')", ("t",), False),
        (".drop table T ifexists", ("t",), False),
        (".create table T (a:string)", ("t",), False),
        (".show table T schema as json", (), True),
        (".show tables", (), True),
    ],
)
def test_control_commands(text: str, written: tuple[str, ...], returns_rows: bool) -> None:
    found = analyzed(text)
    assert (found.written, found.returns_rows, found.is_exhaustive) == (written, returns_rows, False)


@pytest.mark.parametrize(
    "text",
    [
        "T | union *",
        "T | union withsource=t *",
        "union T*",
        "union T, U*",
        "search 'x'",
        "find where x == 1",
        "T | where f(x) == 1",
        "f() | take 1",
        "T | invoke f()",
        "T | evaluate sql_request('server', 'SELECT 1')",
        "T | mv-apply x = f(y) on (top 1 by x)",
        'cluster("c").database("d").T',
        "externaldata(a:string)['https://example.com/x']",
        "database(name).T",
        "alias database d = cluster('c').database('x'); database('d').T",
        "T | unknown-operator x",
        "T | make-graph a --> b with U on id",
        "T | where x == '\\u2028' // \u2028 | union U",
        "['T*'] | take 1",
        "['T\\u0041'] | take 1",
    ],
)
def test_a_query_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = kql.read(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize("text", ["", "status:error and host:x", "T | where (x", "T | where x == 'y", "| take 1", "[]"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert kql.read(text) is None
