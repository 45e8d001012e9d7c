# ruff: noqa: E501 - the cases are read better in one line each
"""Tables as common libraries and programs draw them."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("query", " a \n---\n 1\n(1 row)\n\n b \n---\n 2\n 3\n(2 rows)", 3),
        ("query", "+---+\n| a |\n+---+\n| 1 |\n+---+\n1 row in set (0.00 sec)\n\n+---+\n| b |\n+---+\n| 2 |\n| 3 |\n+---+\n2 rows in set (0.00 sec)", 3),
        ("query", "| city | n |\n|---|---|\n| Rome | 3 |\n| Oslo | 2 |\n| Total | 5 |", 3),
        ("query", "| a | b |\n|---|---|\n| 1 | x<br>y |\n| 2 | a \\| b |\n\n... and 40 more rows", 2),
        ("query", "| a | b |\n|---|---|\n| 1 | x |\n| ... | ... |\n| 9 | y |", 2),
        ("query", "| a | b |\r\n|---|---|\r\n| 1 | x |\r\n| 2 | y |\r\n", 2),
        ("query", "a | b\n--|--\n1 | x\n2 | y", 2),
        ("query", "a\tb\n1\tx\n2\ty\n\n2 rows in set", 2),
        ("query", "Result set 1 (2 rows):\na,b\n1,x\n2,y", 2),
        ("query", "Rows: 2\n\na: 1, b: x\na: 2, b: y", 2),
        ("query", "{'a': 1}\n{'a': 2}\n\n2 rows", 2),
        ("query", "Row 1: a=1, b=x\nRow 2: a=2, b=y", 2),
        ("query", "Results (2):\n(1, 'x')\n(2, 'y')", 2),
        ("query", "┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n│ 0       │ 1 │ 'x' │\n│ 1       │ 2 │ 'y' │\n└─────────┴───┴─────┘", 2),
        ("query", "╭───┬───╮\n│ a │ b │\n├───┼───┤\n│ 1 │ x │\n│ 2 │ y │\n╰───┴───╯", 2),
        ("query", "┏━━━┳━━━┓\n┃ a ┃ b ┃\n┡━━━╇━━━┩\n│ 1 │ x │\n│ 2 │ y │\n└───┴───┘", 2),
        ("query", "      Users      \n┏━━━┳━━━┓\n┃ a ┃ b ┃\n┡━━━╇━━━┩\n│ 1 │ x │\n└───┴───┘", 1),
        ("query", "id  name\n--  -----\n1   alice\n2   bob\n\n2 row(s) returned.", 2),
        ("query", "id|name\n1|alice\n2|bob", 2),
        ("query", "姓名 | 城市\n--- | ---\n张三 | 北京", 1),
        ("query", "┌──────┬──────┐\n│ 姓名 │ 城市 │\n├──────┼──────┤\n│ 张三 │ 北京 │\n└──────┴──────┘", 1),
        ("query", "┌─────┬──────┐\n│ id  ┆ name │\n│ --- ┆ ---  │\n│ i64 ┆ str  │\n╞═════╪══════╡\n│ 1   ┆ Ann  │\n│ 2   ┆ Ben  │\n│ 3   ┆ Cid  │\n└─────┴──────┘", 3),
    ],
)  # fmt: skip
def test_the_rows_of_a_drawn_table_are_counted(tool: str, text: str, expected: int) -> None:
    assert records(texts(text), tool) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("### Columns\n| name | type |\n|---|---|\n| id | int |\n\n### Rows\n| id | boat |\n|---|---|\n| 1 | Auk |", 1),
        ("| id | berth |\n|---|---|\n| 1 | 5 |\n\n| metric | value |\n|---|---|\n| rows | 1 |", None),
        ("| id | boat |\n|---|---|\n| 1 | Auk |\n\n| id | boat |\n|---|---|\n| 2 | Tern |", 2),
        ("| id | boat |\n|---|---|\n| No tasks found | |", 0),
        ("| id | boat |\n|---|---|\n| *No results* | |", 0),
        ("| id | boat |\n|---|---|\n| - | - |", 0),
        ("| id | boat |\n|---|---|\n| 1 | - |", 1),
        ("id,boat\nNo data,", 0),
        ('id,boat\n1,"# Log\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"\n2,Tern', 2),
    ],
)  # fmt: skip
def test_tables_of_other_columns_and_rows_that_say_there_are_none_are_no_records(
    text: str, expected: int | None
) -> None:
    assert records(texts(text), "query", sql="SELECT id, boat FROM boats") == expected


@pytest.mark.parametrize(
    "text",
    [
        "| id | note |\n|----|------|\n| 1 | line one\nline two |\n| 2 | x |\n",
        "+----+------+\n| id | note |\n+----+------+\n|  1 | line one\nline two |\n|  2 | x |\n+----+------+\n",
    ],
)
def test_a_line_break_in_a_cell_begins_no_row(text: str) -> None:
    assert records(texts(text), "query", sql="SELECT id, note FROM boats") == 2
