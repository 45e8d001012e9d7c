"""The measurements that InfluxQL reads and writes."""

from __future__ import annotations

import pytest

from gateway.metering.queries import influxql


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('SELECT mean("x") FROM cpu WHERE time > now() - 1h GROUP BY time(10m) fill(null)', "cpu"),
        ('select * from "db"."rp"."Cpu"', "db.rp.cpu"),
        ('SELECT * FROM "db".."cpu", mem', "db.cpu mem"),
        ('SELECT "cpu::usage*" FROM metrics LIMIT 2', "metrics"),
        ("SELECT /cpu.usage/ FROM metrics LIMIT 2", "metrics"),
        ("SELECT a / b FROM cpu WHERE x / 2 > 1", "cpu"),
        ("SELECT a FROM cpu WHERE host =~ /a|b FROM mem/", "cpu"),
        ("SELECT max(x) FROM (SELECT mean(y) FROM cpu GROUP BY host)", "cpu"),
        ("SELECT a FROM cpu; SELECT b FROM mem", "cpu mem"),
        ("SELECT a FROM cpu -- , mem", "cpu"),
        ("SELECT 'x FROM mem' FROM cpu", "cpu"),
        ("SHOW FIELD KEYS FROM cpu", "cpu"),
        ('SHOW TAG VALUES FROM "cpu" WITH KEY = "host"', "cpu"),
    ],
)
def test_measurements_read(text: str, read: str) -> None:
    found = influxql.read(text)
    assert found is not None
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


@pytest.mark.parametrize(
    ("text", "read", "written", "returns_rows"),
    [
        ("SELECT x INTO dest FROM src", ("src",), ("dest",), False),
        ("DROP MEASUREMENT cpu", (), ("cpu",), False),
        ("DELETE FROM cpu WHERE time < 1", (), ("cpu",), False),
        ("CREATE DATABASE x", (), (), False),
        ("SHOW MEASUREMENTS", (), (), True),
        ("SELECT * FROM /.*/", (), (), True),
    ],
)
def test_writes_listings_and_regular_expressions_are_not_exhaustive(
    text: str, read: tuple[str, ...], written: tuple[str, ...], returns_rows: bool
) -> None:
    found = influxql.read(text)
    assert found is not None
    assert (found.read, found.written, found.returns_rows, found.is_exhaustive) == (read, written, returns_rows, False)


@pytest.mark.parametrize("text", ["", "hello", "SELECT a FROM (", "SELECT a FROM cpu WHERE x = 'y", "FROM cpu"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert influxql.read(text) is None
