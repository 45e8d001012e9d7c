# ruff: noqa: E501 - the cases are read better in one line each
"""The tables that SQL reads, writes and names, in several dialects."""

from __future__ import annotations

import pytest

from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.sql import cache as sql_cache


def analyzed(text: str) -> QueryAnalysis:
    found = sql_cache.analyze(text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT a FROM t", "t"),
        ("select * from T as x, U", "t u"),
        ("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN s.c USING (y)", "a b s.c"),
        ('SELECT "x" FROM db.ref."Airlines"', "db.ref.airlines"),
        ("SELECT * FROM `p.d.t`", "p.d.t"),
        ("SELECT `a` FROM `b`.`c`", "b.c"),
        ("SEL a FROM b.c", "b.c"),
        ("SELECT FIRST 10 SKIP 20 a FROM t", "t"),
        ("SELECT first FROM t", "t"),
        ("SELECT * FROM t@link", "t@link"),
        ("SELECT TOP 5 * FROM [dbo].[My Table]", "dbo.my table"),
        ('SELECT * FROM "städte" LIMIT 6 OFFSET 100', "städte"),
        ("WITH a AS (SELECT * FROM t) SELECT * FROM a", "t"),
        ("WITH a AS (SELECT * FROM t), b AS (SELECT * FROM a) SELECT * FROM b JOIN u ON true", "t u"),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", "t"),
        ("WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < 5) SELECT * FROM d", ""),
        ("WITH d AS (SELECT id FROM e WHERE boss IS NULL UNION ALL SELECT e.id FROM e JOIN d ON e.boss = d.id) SELECT * FROM d", "e"),
        ("SELECT * FROM (SELECT * FROM (SELECT * FROM t) x) y", "t"),
        ("SELECT (SELECT max(x) FROM u) FROM t WHERE EXISTS (SELECT 1 FROM v) AND x IN (SELECT y FROM w)", "t u v w"),
        ("SELECT * FROM a UNION SELECT * FROM b EXCEPT SELECT * FROM c", "a b c"),
        ("SELECT * FROM (VALUES (1), (2)) v(x) JOIN LATERAL (SELECT * FROM t LIMIT 3) s ON true", "t"),
        ("SELECT * FROM generate_series(1, 5) g, unnest(ARRAY[1]) u", ""),
        ("SELECT 'select x from decoy' FROM t -- from other\n/* from third */", "t"),
        ("-- from bogus\n/* from bogus2 */ SELECT 1 FROM t", "t"),
        ("SELECT * FROM t # from other", "t"),
        ("SELECT a FROM t; SELECT b FROM u;", "t u"),
        ("FROM t", "t"),
        ("TABLE t", "t"),
        ("SUMMARIZE t", "t"),
        ("SELECT * FROM 'data/x.csv'", "data/x.csv"),
        ("SELECT * FROM read_csv('x.csv') JOIN read_parquet(['y.parquet']) ON true", "x.csv y.parquet"),
        ("SELECT * FROM read_csv('x.csv', delim='|')", "x.csv"),
        ("SELECT * FROM file('x.csv', CSVWithNames) WHERE a < 5", "x.csv"),
        ("SELECT * FROM file('x.csv', 'CSV', 'a UInt8')", "x.csv"),
        ("DESCRIBE t", "t"),
        ("DESC s.`T`", "s.t"),
        ("SHOW COLUMNS FROM t FROM d", "d.t"),
        ("SHOW CREATE TABLE t", "t"),
        ("SHOW TABLES", ""),
        ("PRAGMA table_info('t')", "t"),
        ("EXPLAIN ANALYZE SELECT * FROM t", ""),
        ("EXPLAIN QUERY PLAN SELECT * FROM t", ""),
        ("SELECT * FROM t FINAL WHERE x = 1 FORMAT JSON", "t"),
        ("SELECT 1", ""),
        ("INSERT INTO t VALUES (1)", ""),
        ("INSERT INTO t (a) SELECT a FROM u", "u"),
        ("REPLACE INTO t VALUES (1)", ""),
        ("UPDATE t SET x = 1 FROM u WHERE t.id = u.id", "u"),
        ("UPDATE t SET x = (SELECT max(y) FROM u)", "u"),
        ("DELETE FROM t USING u WHERE t.id = u.id RETURNING t.x", "t u"),
        ("DELETE FROM t WHERE id = 1", ""),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 1", "u"),
        ("CREATE TABLE t AS SELECT * FROM u", "u"),
        ("SELECT * INTO t FROM u", "u"),
        ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO c SELECT * FROM x", "a"),
        ("DROP TABLE a, b", ""),
        ("TRUNCATE TABLE t", ""),
        ("ALTER TABLE t ADD COLUMN a int", ""),
        ("CREATE INDEX i ON t (a)", ""),
        ("COPY t TO '/tmp/x'", "t"),
        ("COPY t FROM '/tmp/x'", ""),
        ("USE db", ""),
    ],
)  # fmt: skip
def test_tables_read(text: str, read: str) -> None:
    assert " ".join(analyzed(text).read) == read


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("INSERT INTO t (a) SELECT a FROM u", ("t",)),
        ("UPDATE s.t SET x = 1", ("s.t",)),
        ("DELETE FROM t", ("t",)),
        ("DELETE t1 FROM t1 JOIN t2 ON true", ("t1",)),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", ("t",)),
        ("CREATE TABLE t (a int)", ("t",)),
        ("SELECT * INTO t FROM u", ("t",)),
        ("DROP TABLE a, b", ("a", "b")),
        ("TRUNCATE TABLE t", ("t",)),
        ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO c SELECT * FROM x", ("a", "c")),
        ("SELECT 1 FROM t", ()),
    ],
)
def test_tables_written(text: str, written: tuple[str, ...]) -> None:
    assert analyzed(text).written == written
    assert set(written) <= set(analyzed(text).named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT a FROM t WHERE a IN secret", ("secret", "t")),
        ("SELECT a FROM t WHERE a NOT IN (s.secret)", ("s.secret", "t")),
        ("SELECT a FROM t WHERE (a, b) GLOBAL IN secret", ("secret", "t")),
        ("WITH x AS (SELECT 1) SELECT a FROM t WHERE a IN x", ("t",)),
        ("SELECT a FROM t WHERE a IN (1) OR a IN (b, c) OR a IN (SELECT d FROM u)", ("t", "u")),
    ],
)
def test_the_right_side_of_in_may_be_a_table(text: str, named: tuple[str, ...]) -> None:
    assert analyzed(text).named == named


@pytest.mark.parametrize(
    ("text", "returns"),
    [
        ("SELECT 1", True),
        ("VALUES (1)", True),
        ("SHOW TABLES", True),
        ("EXPLAIN SELECT 1", True),
        ("INSERT INTO t VALUES (1)", False),
        ("INSERT INTO t VALUES (1) RETURNING id", True),
        ("UPDATE t SET x = 1", False),
        ("CREATE TABLE t (a int)", False),
        ("SELECT * INTO t FROM u", False),
        ("BEGIN; UPDATE t SET x = 1; COMMIT", False),
        ("CREATE TABLE t (a int); SELECT 1", True),
    ],
)
def test_statements_that_return_rows_are_told_from_those_that_do_not(text: str, returns: bool) -> None:
    assert analyzed(text).returns_rows is returns


@pytest.mark.parametrize(
    "text", ["SELEC 1", "hello world", "Delta Air Lines", "SELECT FROM WHERE", "CALL p()", "EXEC p", "", ";", "-- x"]
)
def test_text_that_is_not_known_sql_has_no_analysis(text: str) -> None:
    assert sql_cache.analyze(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT my_function('x') FROM t",
        "SELECT * FROM my_function('x')",
        "SELECT query_to_xml('select * from secret', true, true, '')",
        "SELECT * FROM dblink('', 'select * from secret') AS x(a int)",
        "SELECT 1 /*!50000 UNION SELECT * FROM secret */",
        "SELECT '\\' , (SELECT x FROM secret) -- '",
        "SELECT 1 /* /* */ FROM t -- */ FROM secret",
        "SHOW TABLES WHERE (SELECT 1 FROM secret)",
        "SELECT * FROM TABLE(f(1))",
        "SELECT READ_CSV('/etc/passwd')",
        "SELECT XMLTABLE('for $i in fn:collection(\"oradb:/HR/SECRET\") return $i') FROM t",
        "SELECT SECRET('a', 'b')",
    ],
)
def test_the_tables_of_ambiguous_sql_are_not_exhaustive(text: str) -> None:
    found = sql_cache.analyze(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*), max(a), date_trunc('day', b), coalesce(c, 0) FROM t WHERE x ~ 'a\\d' AND y[1] = 2",
        "SELECT strftime('%Y', d), json_extract(j, '$.a') FROM t",
        "SELECT * FROM t WHERE id = $1 AND name = :name AND x = ?",
        "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t",
        "SHOW TABLES",
    ],
)
def test_the_tables_of_common_statements_are_exhaustive(text: str) -> None:
    assert analyzed(text).is_exhaustive


def test_columns_of_the_result_are_known_if_the_statement_names_them() -> None:
    assert analyzed("SELECT a, t.b, c AS d, count(*) AS n FROM t").columns == ("a", "b", "d", "n")
    assert analyzed("SELECT * FROM t").columns is None
    assert analyzed("SELECT a, b.* FROM t").columns is None
    assert analyzed("SELECT count(*) FROM t").columns is None


def test_a_statement_with_too_many_tables_has_no_analysis() -> None:
    text = "SELECT 1 FROM " + ", ".join(f"t{number}" for number in range(300))
    sql_cache.parse_sql(text)
    assert sql_cache.analyze(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "WITH secret AS (SELECT a FROM allowed UNION ALL SELECT a FROM secret) SELECT * FROM secret",
        "WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret",
        "WITH RECURSIVE secret AS (SELECT * FROM secret EXCEPT SELECT 1) SELECT * FROM secret",
        "WITH RECURSIVE secret AS (SELECT a FROM secret UNION ALL SELECT a FROM allowed) SELECT * FROM secret",
        "WITH RECURSIVE a AS (SELECT * FROM secret), secret AS (SELECT * FROM allowed) SELECT * FROM a",
    ],
)
def test_a_name_that_some_engines_read_as_a_table_and_others_as_a_cte_is_named(text: str) -> None:
    assert "secret" in analyzed(text).named


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE d AS (SELECT a FROM t UNION ALL SELECT t.a FROM t JOIN d ON t.b = d.a) SELECT * FROM d",
        "WITH c AS (SELECT a FROM t), d AS (SELECT * FROM c) SELECT * FROM c JOIN d ON c.a = d.a",
    ],
)
def test_a_cte_is_no_table(text: str) -> None:
    assert analyzed(text).named == ("t",)
