"""Bounds and read-only access of the price database, tested with hostile statements."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from mcp_backend import database as module
from mcp_backend.database import Database, Reader
from mcp_backend.errors import CallerError
from mcp_backend.prices import load_prices

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "

WRITES = [
    "INSERT INTO stock_basic VALUES ('X', 'X', 'X', 'X', 'X', 'X', 1)",
    "REPLACE INTO stock_basic SELECT * FROM stock_basic",
    "WITH x AS (SELECT 1) DELETE FROM stock_daily",
    "UPDATE stock_daily SET close = 0",
    "DELETE FROM stock_daily RETURNING *",
    "DROP TABLE stock_daily",
    "ALTER TABLE stock_daily RENAME TO gone",
    "CREATE TABLE mine (a)",
    "CREATE TEMP TABLE mine (a)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE INDEX mine ON stock_daily (close)",
    "CREATE TRIGGER mine AFTER INSERT ON stock_daily BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE mine USING fts5(a)",
    "VACUUM",
    "VACUUM INTO '{folder}/stolen.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN IMMEDIATE",
    "SAVEPOINT mine",
    "COMMIT",
]
ESCAPES = [
    "ATTACH DATABASE '{folder}/stolen.db' AS mine",
    "ATTACH ':memory:' AS mine",
    "DETACH main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA temp_store_directory = '{folder}'",
    "PRAGMA table_info(stock_daily)",
    "SELECT * FROM pragma_database_list",
    "SELECT count(*) FROM pragma_function_list",
    "SELECT sql FROM sqlite_stmt",
    "SELECT * FROM dbstat",
    "SELECT load_extension('{folder}/evil.so')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('{folder}/stolen.db', 'x')",
]
NOT_ONE_STATEMENT = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE stock_daily",
    "SELECT 1;; INSERT INTO stock_basic SELECT * FROM stock_basic",
    "",
    " -- nothing\n",
    "/* nothing */",
    ";",
    "SELEC 1",
    "SELECT ?",
    "SELECT :name",
    "SELECT 'a\0b'",
    "SELECT '\ud800'",
]
TOO_LARGE = [
    "SELECT randomblob(1000000000)",
    "SELECT zeroblob(2000000000)",
    "SELECT replace(printf('%.*c', 99000, 'x'), 'x', 'xxxxxxxxxx')",
    "SELECT group_concat(a.date) FROM stock_daily a, stock_daily b",
    "SELECT " + ", ".join(["1"] * 300),
    "SELECT " + ", ".join(["hex(randomblob(45000))"] * 150),
    "SELECT 1 LIKE '" + "%a" * 60 + "'",
    "SELECT " + "abs(" * 300 + "1" + ")" * 300,
    " UNION ALL ".join(["SELECT 1"] * 60),
    "SELECT 1 -- " + "x" * 50_000,
    ENDLESS + "SELECT x, randomblob(100) FROM n ORDER BY 2",
    "SELECT a.close FROM stock_daily a, stock_daily b, stock_daily c ORDER BY a.close * b.close",
]


def doubling(levels: int) -> str:
    """Each CTE names the one before twice, so that the statement alone grows to 2 ** levels parts."""
    steps = [f"c{n} AS (SELECT 1 FROM c{n - 1}, c{n - 1} twin)" for n in range(1, levels)]
    return f"WITH c0 AS (SELECT 1), {', '.join(steps)} SELECT count(*) FROM c{levels - 1}"


@pytest.mark.parametrize(
    "sql", [*WRITES, *ESCAPES, *NOT_ONE_STATEMENT, *TOO_LARGE, doubling(40)], ids=lambda sql: sql[:60]
)
def test_a_hostile_statement_is_an_error_and_changes_nothing(sql: str, reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(CallerError):
        reader.read(sql.replace("{folder}", str(tmp_path)), max_rows=1000)

    assert list(tmp_path.iterdir()) == []
    intact = reader.read(
        "SELECT (SELECT count(*) FROM stock_basic), count(*), sum(volume) > 0 FROM stock_daily", max_rows=1
    )
    assert intact.rows == [(5, 12_154, 1)]


@pytest.mark.parametrize(
    "sql", [ENDLESS + "SELECT count(*) FROM n", "SELECT sum(a.close) FROM stock_daily a, stock_daily b"]
)
def test_a_query_is_stopped_at_its_time_limit(sql: str, reader: Reader) -> None:
    with pytest.raises(CallerError, match=r"stopped after 0\.1 seconds"):
        reader.read(sql, max_rows=1, max_seconds=0.1)


def test_a_reader_cannot_write_even_without_its_authorizer(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def recording_connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", recording_connect)
    with Database(load_prices()):
        connection = connections[-1]
        connection.set_authorizer(None)
        connection.execute("PRAGMA query_only = OFF")

        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM stock_daily")


def test_the_file_is_unlinked_before_the_first_query(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Database(load_prices()):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 1", ()),
        ("SELECT count(*) FROM STOCK_DAILY", ("stock_daily",)),
        ("WITH x AS (SELECT * FROM stock_daily) SELECT count(*) FROM x", ("stock_daily",)),
        ("SELECT close FROM stock_daily JOIN stock_basic USING (symbol)", ("stock_basic", "stock_daily")),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM index_daily)", ("index_daily",)),
        ("SELECT level FROM index_daily UNION SELECT close FROM stock_daily", ("index_daily", "stock_daily")),
        ("WITH stock_daily AS (SELECT 1) SELECT count(*) FROM stock_daily", ()),
        (
            "-- first a comment\nSELECT date FROM stock_daily UNION ALL SELECT date FROM stock_daily",
            ("stock_daily",),
        ),
        ("SELECT name FROM sqlite_master", ("sqlite_schema",)),
        ("EXPLAIN SELECT * FROM stock_basic", ()),
    ],
)
def test_the_tables_that_were_read_are_named(sql: str, tables: tuple[str, ...], reader: Reader) -> None:
    reader.read(sql, max_rows=1)

    assert reader.tables_read(sql) == tables


def test_a_result_over_the_row_limit_is_truncated(reader: Reader) -> None:
    exactly = reader.read("SELECT symbol FROM stock_basic", max_rows=5)
    cut = reader.read("SELECT symbol FROM stock_basic", max_rows=4)

    assert (len(exactly.rows), exactly.truncated) == (5, False)
    assert (len(cut.rows), cut.truncated) == (4, True)


def test_a_result_over_the_size_limit_is_truncated(reader: Reader) -> None:
    answer = reader.read(ENDLESS + "SELECT hex(randomblob(49000)) FROM n", max_rows=1000)

    assert answer.truncated
    assert len(answer.rows) == 10


def test_values_that_json_cannot_represent_become_text(reader: Reader) -> None:
    answer = reader.read("SELECT x'00ff', 9e999, -9e999, CAST(x'ff' AS TEXT), NULL, 1, 1.0", max_rows=1)

    assert answer.rows == [("00ff", "Infinity", "-Infinity", "�", None, 1, 1.0)]


def test_an_error_has_the_message_of_sqlite_and_lists_the_tables(reader: Reader) -> None:
    with pytest.raises(CallerError) as caught:
        reader.read("SELECT price FROM stock_daily", max_rows=1)

    message = str(caught.value)
    assert message.startswith("no such column: price.")
    assert "stock_daily(symbol, date, open, high, low, close, volume, adj_close)" in message
    assert "stock_basic(" in message
    assert "index_daily(" in message


def test_a_reader_keeps_working_after_each_kind_of_error(reader: Reader) -> None:
    for sql in (
        "nonsense",
        "SELECT randomblob(1000000000)",
        doubling(40),
        ENDLESS + "SELECT count(*) FROM n",
    ):
        with pytest.raises(CallerError):
            reader.read(sql, max_rows=1, max_seconds=0.1)

        assert reader.read("SELECT 1", max_rows=1).rows == [(1,)]


def test_all_readers_work_concurrently(database: Database) -> None:
    barrier = threading.Barrier(module.READERS)
    met: list[int] = []

    def work() -> None:
        with database.reader() as reader:
            met.append(barrier.wait(timeout=30))
            reader.read("SELECT avg(close) FROM stock_daily", max_rows=1)

    threads = [threading.Thread(target=work) for _ in range(module.READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(met) == list(range(module.READERS))


def test_a_call_that_gets_no_reader_fails_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(module, "READERS", 1)
    with (
        Database(load_prices()) as database,
        database.reader(),
        pytest.raises(CallerError, match="busy"),
        database.reader(),
    ):
        pass
