"""Comments, strings, white space and CTEs never hide a table of SQL."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering import tables_in_arguments

QUERY = "SELECT a FROM allowed WHERE b = 1"
INSIDE = st.text(alphabet="abc();,.= FROM", max_size=15)


def named(sql: str) -> tuple[str, ...] | None:
    return tables_in_arguments("query", {"sql": sql})


@given(INSIDE, st.sampled_from([" ", "\n", "\t", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_comments_strings_and_white_space_change_no_table(inside: str, space: str) -> None:
    spaced = QUERY.replace(" ", space)
    assert named(spaced) == ("allowed",)
    assert named(f"/* {inside} */ {spaced} -- {inside}") in (("allowed",), None)
    assert named(QUERY.replace("1", f"'{inside}'")) == ("allowed",)


@given(st.sampled_from(["allowed", "secret", "x"]), st.sampled_from(["allowed", "secret", "y"]))
@settings(max_examples=50, deadline=None)
def test_a_cte_never_hides_a_table(name: str, source: str) -> None:
    tables = named(f"WITH {name} AS (SELECT a FROM {source}) SELECT a FROM {name} JOIN allowed USING (a)")
    assert tables is None or source in tables
    assert tables is None or name == "allowed" or "allowed" in tables


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM allowed, secret",
        "SELECT a FROM allowed /* */ , secret",
        "SELECT a FROM allowed -- \n , secret",
        "WITH allowed AS (SELECT a FROM secret) SELECT a FROM allowed",
        "SELECT a FROM allowed UNION SELECT a FROM [secret]",
        "SELECT a FROM `secret`",
        'SELECT a FROM "secret"',
        "SELECT a FROM allowed WHERE a IN (SELECT a FROM secret)",
        "SELECT a FROM \uff41llowed",
        "SELECT a FROM {{ ref('allowed') }}",
        "SELECT a FROM ${schema}.allowed",
        "SELECT a FROM allowed WHERE $__filter(secret)",
        "SELECT a FROM allowed; DROP TABLE secret",
        "FROM allowed | WHERE a = 1",
    ],
)
def test_sql_that_reaches_more_is_refused(sql: str) -> None:
    assert named(sql) not in (("allowed",), ())
