# ruff: noqa: E501, RUF001 - the cases are read better in one line each
"""Lists in the markup of servers, with and without the number of their entries."""

from __future__ import annotations

import pytest

from gateway.metering import meter
from tests.metering.support import count_calls, records, texts, wire

MAX_CALLS_BY_LINE = 30
"""Calls for a line of a list."""


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("query_records", "Query returned 1 of 41 records:\n\nRecord 41:\n    Name: X\n    Amount: 5", 1),
        ("query_records", "Query returned 2 of 41 records:\n\nRecord 40:\n    Name: X\n    Amount: 5\n\nRecord 41:\n    Name: Y\n    Amount: null", 2),
        ("query_records", "Query returned 0 of 0 records:", 0),
        ("query_records", "Query returned 0 records", 0),
        ("query_records", "Query returned 0 of 0 records:\n\n", 0),
        ("search", "Showing 1-2 of 512 results:\n\n1. Alpha\n   id: 5\n2. Beta\n   id: 6", 2),
        ("search", "Showing 1–3 of 512\n- a\n- b\n- c", 3),
        ("search_docs", "Found 2 results:\n\n## Alpha\nURL: https://a\nScore: 0.5\n\n## Beta\nURL: https://b\nScore: 0.3", 2),
        ("search_docs", "Found 2 results:\n\n### 1. Alpha\nURL: https://a\n\n### 2. Beta\nURL: https://b", 2),
        ("search_docs", "# Search results\n\n## Alpha\n\n- **ID**: 1\n- **Score**: 0.5\n\n## Beta\n\n- **ID**: 2\n- **Score**: 0.5\n", 2),
        ("search_docs", "Result 1 (score 0.8):\nAlpha text\n\nResult 2 (score 0.7):\nBeta text", 2),
        ("search_docs", "[1] Alpha (score 0.8)\nsome text\n\n[2] Beta (score 0.7)\nmore text", 2),
        ("list_issues", "- **Fix the door** (A-1)\n- **Fix the roof** (A-2)", 2),
        ("list_issues", "Found 2 issues:\n\n- **A-1**: Fix the door\n  Status: open\n  Assignee: ann\n- **A-2**: Fix the roof\n  Status: open\n  Assignee: bob", 2),
        ("list_issues", "Found 2 issues:\n\n**A-1**: Fix the door\nStatus: open\n\n**A-2**: Fix the roof\nStatus: open", 2),
        ("list_issues", "A-1: Fix the door\nA-2: Fix the roof\n", 2),
        ("list_issues", "Issues (2):\n  A-1  open   Fix the door\n  A-2  open   Fix the roof", 2),
        ("list_issues", "ID   Status  Title\nA-1  open    Fix the door\nA-2  open    Fix the roof", 2),
        ("list_issues", "ID  Status\n1   open\n2   closed", 2),
        ("list_issues", "2 issues\n\n#1 Fix the door [open]\n#2 Fix the roof [open]", 2),
        ("list_issues", "#1 Fix the door [open]\n#2 Fix the roof [open]", 2),
        ("list_notes", "📝 Notes:\n• First note (id: 1)\n• Second note (id: 2)\n\nTotal: 2", 2),
        ("list_notes", "✅ Found 2 notes\n\n1️⃣ First\n2️⃣ Second", 2),
        ("list_notes", "1) First\n2) Second\n3) Third", 3),
        ("list_todos", "- [ ] Buy milk\n- [x] Sell car", 2),
        ("list_todos", "[ ] Buy milk (1)\n[x] Sell car (2)", 2),
        ("list_todos", "☐ Buy milk\n☑ Sell car", 2),
        ("list_items", "* a\n* b\n* c", 3),
        ("list_items", "a, b, c", 3),
        ("list_items", "Items: a, b, c", 3),
        ("list_tables", "Tables: users, orders, items", 3),
        ("list_tables", "Available tables: users, orders", 2),
        ("list_tables", "Tables in database 'shop':\n  users\n  orders\n", 2),
        ("list_tables", "Tables in database shop:\nusers\norders\n", 2),
        ("list_tables", "TABLES\n======\nusers\norders", 2),
        ("list_tables", "public.users (BASE TABLE)\npublic.orders (BASE TABLE)\npublic.v (VIEW)", 3),
        ("list_tables", "users - 5 rows\norders - 12 rows", 2),
        ("list_tables", "users: 5 rows\norders: 12 rows\n\n2 tables, 17 rows in total", 2),
        ("list_tables", "table_name\n----------\nusers\norders", 2),
        ("list_tables", "name\nusers\norders", 2),
        ("list_tables", "Schema: public\n- users\n- orders\nSchema: audit\n- log", 3),
        ("list_tables", "public:\n  - users\n  - orders\naudit:\n  - log", 3),
        ("list_tables", "## public\n- users\n- orders\n\n## audit\n- log", 3),
        ("describe_table", "Table: a\n\nColumns:\n  id INTEGER NOT NULL\n  name TEXT\n\nIndexes:\n  a_pk (id)\n", 2),
        ("list_tables", "users (table)\n  id integer\n  name text\norders (table)\n  id integer", 2),
    ],
)  # fmt: skip
def test_the_entries_of_a_list_are_counted(tool: str, text: str, expected: int) -> None:
    assert records(texts(text), tool) == expected


def test_a_blank_line_below_a_long_numbered_list_is_looked_for_once() -> None:
    lines = ["1. a list of one entry", *["and more text; without a number"] * 3_900, "", "the end, at last"]
    result = wire(texts("\n".join(lines)))
    assert count_calls(lambda: meter("list_items", {}, result)) < MAX_CALLS_BY_LINE * len(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nil", 0),
        ("Tasks:\n- none", 0),
        ("Boats:\n- none", None),
        ("undefined", None),
        ("Loading...", None),
        ("404", None),
        ("\u26a0\ufe0f Harbour key missing", None),
        ("<error>bad</error>", 0),
        ("To list boats, first connect:\n1. Open the settings\n2. Make a key", None),
        ("You can filter by:\n- berth\n- owner", None),
        ("- Auk\u2028- Tern", None),
        ("HTTP 200\n\nauk\ntern\nskua", None),
        ("Fault tolerance: 0\n\n- Auk (1)\n- Tern (2)", None),
    ],
)
def test_placeholders_and_guidance_are_no_entries(text: str, expected: int | None) -> None:
    assert records(texts(text), "list_boats") == expected
