"""The tables of queries in dialects that no parser knows."""

from __future__ import annotations

import json

import pytest

from gateway.metering import meter, parse_sql
from gateway.metering.arguments import tables_in_arguments
from gateway.metering.sql import unparsed
from tests.metering.support import texts, wire

ROWS = [{"boat": "Oak"}, {"boat": "Teak"}]


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("LOCKING ROW FOR ACCESS SELECT boat FROM fleet.boats", ("fleet.boats",)),
        ("SELECT boat FROM boats FETCH FIRST 5 ROWS ONLY WITH UR", ("boats",)),
        ("SELECT ts, depth FROM soundings LATEST ON ts PARTITION BY boat", ("soundings",)),
        ("SELECT _wstart, avg(depth) FROM sea.soundings PARTITION BY boat INTERVAL(10s)", ("sea.soundings",)),
        ("select [Measures].[Crew] on columns from [Home Fleet]", ("home fleet",)),
        ("SELECT boat,, port FROM boats b, ports AS p WHERE b.port = p.id", ("boats", "ports")),
        ("SELECT a,, b FROM boats JOIN [dbo].[ports] ON 1 = 1 LEFT JOIN `sea`.`piers` ON 1 = 1", None),
        ("WITH r AS (SELECT boat FROM boats), SELECT * FROM r", ("boats",)),
        ("SELECT boat,, extract(year from built) FROM boats WHERE a IS DISTINCT FROM b", ("boats",)),
        ("SELECT boat,, 'FROM piers' /* FROM quays */ FROM boats -- FROM docks", ("boats",)),
        ("SELECT boat,, x FROM boats(nolock) WITH UR", ("boats",)),
        ("SELECT boat,, x FROM numbers(10), boats", ("boats",)),
        ("SELECT boat,, x FROM @boats JOIN dbo..ports ON 1 = 1", ("dbo.ports",)),
        ("SELECT boat,, x FROM (SELECT * FROM boats) WITH UR", ("boats",)),
        ("SELECT boat,, x FROM boats; SELECT port,, x FROM ports", ("boats", "ports")),
    ],
)
def test_the_tables_after_from_and_join_are_read(sql: str, tables: tuple[str, ...] | None) -> None:
    arguments = {"sql": sql}
    parse_sql(arguments)
    result = meter("run", arguments, wire(texts(json.dumps(ROWS))))
    assert result.tables == (tables or ("boats", "dbo.ports", "sea.piers"))
    assert result.records == 2


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM boats WITH UR",
        "SELECT boat,, x INTO old FROM boats",
        "SELECT boat,, x FROM boats; DROP TABLE boats",
        "WITH r AS (DELETE FROM boats) SELECT * FROM r",
        "selct boat from boats",
        "SELECT boat,, x FROM boats WHERE name = 'unclosed",
        "SELECT boat,, x FROM (boats",
        "SELECT 1",
        f"SELECT {'a, ' * 200} b FROM boats",
        f"SELECT a FROM boats WHERE name = '{'x' * 2_000}'",
    ],
)
def test_what_may_be_more_than_a_query_or_is_too_long_is_not_read(text: str) -> None:
    assert unparsed.read(text) is None


def test_a_key_with_allowed_tables_gets_no_query_that_no_parser_knows() -> None:
    sql = {"sql": "SELECT boat FROM boats FETCH FIRST 5 ROWS ONLY WITH UR"}
    parse_sql(sql)
    assert tables_in_arguments("run", sql) is None
