# ruff: noqa: E501 - the cases are read better in one line each
"""Tables of one column, one record a line with fields between bars, and single values."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts


@pytest.mark.parametrize(
    ("statement", "text", "expected"),
    [
        ("SELECT name FROM t", "name\n----\nalice\nbob", 2),
        (None, "name\n----\nalice\nbob\n(2 rows)", 2),
        (None, "| name |\n|---|\n| a |\n| b |", 2),
        (None, "| name |\n|:-----|\n| a |\n| b |", 2),
        (None, "+------+\n| name |\n+------+\n| a    |\n+------+\n1 row in set (0.00 sec)", 1),
        (None, " name \n------\n a\n b\n(2 rows)\n", 2),
        ("SELECT name FROM t", "name\nalice\nbob", 2),
        ("SELECT count(*) FROM t", "count(*)\n12154", 1),
        ("SELECT count(*) FROM t", "count\n-----\n12154", 1),
        ("SELECT count(*) AS n FROM t", "| n |\n|---|\n| 12154 |", 1),
        ("SELECT count(*) AS n FROM t", "n: 12154", 1),
        ("SELECT count(*) AS n FROM t", "Result: 12154", 1),
        ("SELECT count(*) AS n FROM t", "**Result:** 12154", 1),
        ("SELECT count(*) AS n FROM t", "Query result:\n12154", 1),
        ("SELECT count(*) AS n FROM t", "## Query Result\n\n**n**: 12154", 1),
        ("SELECT max(a) AS m FROM t", "m\n2024-01-02", 1),
        ("SELECT avg(a) FROM t", "Result: 3.25", 1),
    ],
)  # fmt: skip
def test_the_header_of_one_column_is_not_a_record(statement: str | None, text: str, expected: int) -> None:
    assert records(texts(text), **({"sql": statement} if statement else {})) == expected


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("query", "id | name\n1 | alice\n2 | bob", 2),
        ("query", "id | name | city\n1 | alice | Rome\n2 | bob | Oslo", 2),
        ("query", "alice | a@x.org | Rome\nbob | b@x.org | Oslo\ncid | c@x.org | Bern", 3),
        ("search_contacts", "2 of 41 (showing first 2)\nAlice | a@x.org | Berlin\nBob | b@x.org | Paris", 2),
        ("search_issues", "3 of 3 (status: open)\nA-1 | Fix the door | open\nA-2 | Fix the roof | open\nA-3 | Paint | open", 3),
        ("search_issues", "0 of 0 (status: open)", 0),
        ("search_issues", "0 of 12 (status: open)", 0),
        ("list_tasks", "Tasks (2):\n#1 | Buy milk | todo\n#2 | Sell car | done", 2),
    ],
)  # fmt: skip
def test_fields_between_bars_are_one_record_a_line(tool: str, text: str, expected: int) -> None:
    assert records(texts(text), tool) == expected


NAMED_BORDER = "   ┌─id─┬─name─────┐\n1. │  1 │ Nordlicht │\n2. │  2 │ Marchand │\n   └────┴──────────┘"


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("query", NAMED_BORDER, 2),
        ("query", "┌─n─┐\n│ 5 │\n└───┘", 1),
        ("search_messages", "MsgID,UserID,Channel,Text,Time,Cursor\n", 0),
        ("get_history", "id\tname\ttime\n", 0),
        ("list_columns", "id,name,type", 3),
        ("list_tables", "airlines,airports,flights", 3),
        ("query", "name\ttype\tcomment\tcodec\nid\tInt32\t\t\nname\tString\t\t\n", 2),
        ("read_file", "[Reading last 2 lines (total: 40 lines)]\n\n2026-03-02 15:45:15,555 INFO a\n2026-03-03 08:52:28,592 INFO b\n", 2),
        ("search_emails", "ID: 18f0\nSubject: Invoice\nFrom: Ida\n", 1),
        ("search_status", "Mode: fast\nState: on\nTime: 3 ms\n", None),
    ],
)  # fmt: skip
def test_headers_in_borders_headers_alone_and_empty_last_cells(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected


@pytest.mark.parametrize("columns", ["a", "a\tb"])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_a_footer_that_begins_with_a_duration_states_the_number_of_rows(columns: str, blank: str) -> None:
    rows = "\n".join(columns.replace("a", number).replace("b", "x") for number in ("1", "2"))
    footer = "Time taken: 0.3 seconds, Fetched: 2 row(s)"
    text = f"{columns}\n{rows}\n{blank}{footer}"
    assert records(texts(text), sql=f"SELECT {columns.replace(chr(9), ',')} FROM t") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Affected rows: 0\nReturned 2 rows\na\n1\n2", 2),
        ("Affected rows: 0\na\n1\n2", None),
        ("a\n-\n1\n2\n\n(2 rows affected)", None),
        ("(0 rows affected)", None),
        ("(2 rows affected)", None),
    ],
)
def test_a_statement_that_selects_reports_no_write(text: str, expected: int | None) -> None:
    assert records(texts(text), sql="SELECT a FROM t") == expected


@pytest.mark.parametrize(
    "text",
    [
        "On branch main\n\nChanges not staged for commit:\n\tmodified:   a.py\n\tmodified:   b.py\n",
        "Changes to be committed:\n\tnew file:   a.py\n\nUntracked files:\n\tb.py\n\tc.py\n",
    ],
)
def test_lines_that_a_tab_indents_have_no_fields(text: str) -> None:
    assert records(texts(text), "git_status") is None


@pytest.mark.parametrize("remark", ["Done.", "Query took 5 ms", "Page 1 of 9", "Elapsed 0.1s, scanned 5000", "```"])
@pytest.mark.parametrize("blank", ["\n", "\n\n"])
def test_a_line_below_a_frame_or_delimited_values_is_no_row(remark: str, blank: str) -> None:
    frame = f"   id boat\n0   1  Auk\n1   2 Tern{blank}{remark}"
    assert records(texts(frame), "query", sql="SELECT id, boat FROM boats") == 2
    for delimiter in ("\t", ","):
        text = f"id,boat\n1,Auk\n2,Tern{blank}".replace(",", delimiter) + remark
        assert records(texts(text), "query", sql="SELECT id, boat FROM boats") in (2, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("     id boat\n0     1  Auk\n..  ...  ...\n99  100 Tern\n\n[100 rows x 2 columns]", 2),
        ("# A tibble: 2 \u00d7 2\n     id boat \n  <dbl> <chr>\n1     1 Auk  \n2     2 Tern ", 2),
        (" id  boat\n  1   Auk\n  2  Tern", 2),
        (" id  boat\n  1   Auk\n  2  Tern\nCached.", None),
    ],
)
def test_rows_of_dots_and_types_in_a_frame_of_selected_columns_are_no_records(text: str, expected: int | None) -> None:
    assert records(texts(text), "query", sql="SELECT id, boat FROM boats") == expected


def test_the_selected_columns_without_rows_are_no_record() -> None:
    assert records(texts("id,name\n"), "query", sql="SELECT id, name FROM boats") == 0
    assert records(texts("oak,teak\n"), "query", sql="SELECT id, name FROM boats") == 1
