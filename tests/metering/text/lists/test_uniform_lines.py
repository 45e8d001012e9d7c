# ruff: noqa: E501, RUF001 - the cases are read better in one line each
"""Lines of one template are records; fields of one object and prose are not."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts

GUIDE = """\
# Guide

This guide tells how to use it. First, install.

## Install

Run the program. It asks for a name. Then it goes on, and when it is done you can look at the result in the folder.

- a step
- another

Then:

1. Go
2. Stop

## Use

Call it. It returns what you want, and more than this it tells you how to go on from there to the next part.

End of it.

| a | b |
"""


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("read_note", "Error handling in Python\n\nUse try and except.", None),
        ("read_note", "Exception handling is hard.", None),
        ("search_docs", "Found 2 documents created after 2024:\n- a.md\n- b.md", 2),
        ("list_items", "Found 3 items added this week:\n- x\n- y\n- z", 3),
        ("read_note", "Meeting at 10:30: we talk", None),
        ("get_issue_details", "- **Status**: open\n- **Priority**: high\n- **Assignee**: ann", None),
        ("list_reports", "Summary:\n- Total: 5\n- Average: 3\n- Maximum: 9", None),
        ("search_docs", "TITLE: One\nDESCRIPTION: text\n\nCODE:\nx\n\n----------------------------------------\n\nTITLE: Two\nDESCRIPTION: text\n\nCODE:\ny", 2),
        ("search_docs", "### One\nSome text of a chunk.\n\n---\n\n### Two\nSome text of a chunk.", 2),
        ("list_orders", "Order #1\n  Status: open\n  Total: 5\n\nOrder #2\n  Status: done\n  Total: 7", 2),
        ("list_orders", "Order 1001 - Alice - $5.00\nOrder 1002 - Bob - $7.00", 2),
        ("list_events", "2024-01-02: Meeting\n2024-01-03: Dinner", 2),
        ("list_events", "📅 Meeting\n   🕐 2024-01-02 10:00\n   📍 Rome\n\n📅 Dinner\n   🕐 2024-01-03 19:00\n   📍 Oslo", 2),
        ("list_events", "Event: Meeting\nStart: 2024-01-02\n\nEvent: Dinner\nStart: 2024-01-03\n", 2),
        ("list_users", "Users:\n\nName: Ann, Email: a@x.org\nName: Bob, Email: b@x.org", 2),
        ("list_users", "Ann <a@x.org>\nBob <b@x.org>", 2),
        ("list_users", "@ann (Ann Lee)\n@bob (Bob Ray)", 2),
        ("list_channels", "#general (C01) - 12 members\n#random (C02) - 9 members", 2),
        ("list_labels", "bug, enhancement, good first issue", 3),
        ("list_labels", "bug\nenhancement\ngood first issue", 3),
        ("list_tags", "#work (5)\n#home (2)", 2),
        ("list_models", "gpt-4\ngpt-4o-mini\no1", 3),
        ("list_projects", "- lib\n- shop\n", 2),
        ("list_projects", "| Name | Tasks |\n|------|-------|\n| lib | 3 |\n| shop | 2 |\n| **Total** | 5 |", 2),
        ("query", "a,b,c\n1,2,3\n4,5,6\n... (truncated)", None),
        ("search", "🔍 Search results for \"x\":\n\n1. **One**\n   https://a\n\n2. **Two**\n   https://b\n\n💡 Tip: use page=2 for more", 2),
        ("search", "Here are the results:\n\n* One: https://a\n* Two: https://b\n\nLet me know if you need more.", 2),
        ("search_papers", "Paper 1:\nTitle: A\nAuthors: X\n\nPaper 2:\nTitle: B\nAuthors: Y", 2),
        ("search_papers", "[1] Title: A\nAuthors: X\n\n[2] Title: B\nAuthors: Y", 2),
        ("search_papers", "**1. A**\nAuthors: X\n\n**2. B**\nAuthors: Y", 2),
        ("search_papers", "=== A ===\nAuthors: X\n\n=== B ===\nAuthors: Y", 2),
        ("get_weather_alerts", "Alert: Flood\nArea: A\n\n---\n\nAlert: Wind\nArea: B", 2),
        ("list_jobs", "ID: 1 | Status: done\nID: 2 | Status: open", 2),
        ("list_jobs", "job-1: RUNNING\njob-2: DONE", 2),
        ("list_keys", "user:1\nuser:2\nuser:3", 3),
        ("list_keys", "1) \"user:1\"\n2) \"user:2\"", 2),
        ("list_keys", "(empty list or set)", 0),
        ("list_keys", "(nil)", 0),
        ("get_memory", "No memories found.", 0),
        ("find_nodes", "Node: Ann (person)\n  - works at X\nNode: Bob (person)\n  - likes Y", 2),
        ("list_tables", "Found 2 table(s) in schema 'public':\n\n  users (5 columns)\n  orders (3 columns)", 2),
        ("list_tables", "📊 Tables (2):\n\n├─ users\n└─ orders", 2),
        ("list_tables", "• users\n• orders", 2),
        ("list_tables", "`users`\n`orders`", 2),
        ("list_tables", "users\n  - id\n  - name\norders\n  - id", 2),
        ("list_databases", "* shop\n  audit\n", 2),
        ("describe_table", "| Field | Type |\n|---|---|\n| id | int |\n| name | text |", 2),
        ("get_recent_commits", "- 1f2e3d4: Fix (Ann, 2024-01-02)\n- 2f2e3d4: Begin (Bob, 2024-01-01)", 2),
        ("search_messages", "[2024-01-02 10:00] Ann: hello\n[2024-01-02 10:01] Bob: hi", 2),
        ("list_alerts", "🔴 CRITICAL: disk full\n🟡 WARNING: load high", 2),
        ("query", "No rows returned. Columns: a, b", 0),
        ("query", "Query OK, 0 rows affected (0.01 sec)", 0),
        ("query", "OK", None),
        ("query", "Done.", None),
        ("list_things", "Result: []", 0),
        ("list_things", "Here is what I found about your question. The first thing is good, and the second is bad.", None),
        ("search_docs", GUIDE, None),
        ("list_positions", "AAA: 10 shares @ 15.00 (P/L: +2.00)\nBB: 5 shares @ 30.50 (P/L: -1.00)", 2),
        ("search_trips", "Ann Lee - Oslo - open\nBen Ray - Rome - closed", 2),
        ("search_trips", "Ann Lee - Oslo - open\nBen Ray is away", None),
        ("get_channel_messages", "ann (2026-01-01 10:00): hello\nben (2026-01-01 10:01): hi, all", 2),
        ("list_models", "**small** - fast, and cheap\n**large** - best", 2),
        ("search_memories", "(0.93) Ann likes boats.\n(0.81) Ben owns a boat, and a sail.", 2),
        ("list_cards", "BEGIN:VCARD\nUID:1\nEND:VCARD\nBEGIN:VCARD\nUID:2\nEND:VCARD", None),
        ("list_parts", "Part: a\nPrice: 3\nPart: b\nPrice: 4", None),
        ("list_folders", "- Inbox (3)\n  - Work (2)\n    - Reports (1)\n- Archive (9)", 4),
        ("list_tags", "- **Sea** (Key: A)\n  - **Old** (Key: B)", 2),
        ("list_folders", "- Inbox (3)\n  - of Ann\n- Archive (9)\n  - of Ben", 2),
        ("list_tasks", "タスク一覧:\n・牛乳を買う\n・電話する\n・家賃を払う", 3),
        ("get_payments", "2026-01-01  Bread      -3.00 EUR\n2026-01-02  Salary   +900.00 EUR", 2),
        ("search_contacts", "\U0001f464 Ann\n\U0001f4e7 ann@x.test\n---\n\U0001f464 Ben\n\U0001f4e7 ben@x.test", 2),
        ("search_code", "1. a.py:3\n```python\ndef x():\n\n    pass\n```\n2. b.py:9\n```\nx()\n```", 2),
        ("list_notes", "1. First\n   - Key: A\n   - Text:\n```\nA line.\n\n\n1. Not a note\n```", 1),
        ("list_processes", "USER   PID %CPU COMMAND\nroot     1  0.1 init\nann    200  3.0 app.py -v", 2),
        ("get_disks", "Filesystem  Size  Used Avail Use% Mounted on\n/dev/sda1    50G   20G   30G  40% /\ntmpfs       2.0G     0  2.0G   0% /tmp", 2),
        ("search_text", "# tool=search_text\n\nresult_count=2 truncated=F\n\nt,a.py,7,        x  # FIXME\nt,b.py,7,        y  # FIXME", 2),
        ("list_sprints", "# Sprints (0)\n\n---\nShowing all 0 sprints\n\n---\n**Next steps:**\n- Create one using `new_sprint`", 0),
        ("list_accounts", "Account: Cash\n  Balance: 3.00\nAccount: Bank\n  Balance: 900.00", 2),
        ("ask_docs", "You can do this in two ways:\n\n1. Use the form.\n2. Use the API.\n\nSee the manual.", None),
        ("list_items", "- one thing (id: 1)\n- another (id: 2)\n- ... and 5 more", 2),
        ("list_items", "Name,Size\na.txt,3\nb.txt,4\nc.txt,5\n\n3 files, 12 bytes in total", 3),
    ],
)  # fmt: skip
def test_lines_of_one_template_are_records(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("list_tables", "Here are the tables in your database:\n\n1. **users** – 5 rows\n2. **orders** – 12 rows\n\nWould you like to see the schema of one?", 2),
        ("read_query", "[{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}]\n\nRows returned: 2", 2),
        ("execute_sql", "id: 1\nname: a\n---\nid: 2\nname: b\n---\n", 2),
        ("execute_sql", "Columns: id, name\n\n1\ta\n2\tb", 2),
        ("execute_sql", "Query results:\n\nid | name\n---+-----\n1 | a\n2 | b\n\nRows: 2", 2),
        ("execute_sql", "Results: 2 rows\n\n[\n  {\"id\": 1},\n  {\"id\": 2}\n]", 2),
        ("execute_sql", "✅ Query executed successfully in 12ms\n\n📊 2 rows returned\n\n```json\n[{\"id\": 1}, {\"id\": 2}]\n```", 2),
        ("execute_sql", "✅ Query executed successfully in 12ms\n\n📊 0 rows returned", 0),
        ("execute_sql", "Execution time: 12 ms\nRow count: 2\n\nid,name\n1,a\n2,b", 2),
        ("find", "{\"_id\":1}\n{\"_id\":2}", 2),
        ("find", "Found 2 documents in collection \"a\":\n\n{\n  \"_id\": 1\n}\n\n{\n  \"_id\": 2\n}", 2),
        ("find", "{\n  \"_id\": 1\n}\n{\n  \"_id\": 2\n}", 2),
        ("find", "[\n  {\n    _id: ObjectId('65'),\n    name: 'a'\n  },\n  {\n    _id: ObjectId('66'),\n    name: 'b'\n  }\n]", 2),
        ("hgetall", "name: ann\nage: 5", None),
        ("lrange", "['a', 'b']", 2),
        ("list_branches", "main\ndev *\nfeature/x", None),
        ("list_issues", "Issues in acme/web:\n\n#12 [open] Fix the door - ann\n#13 [closed] Fix the roof - bob", 2),
        ("list_prs", "PR #12: Fix the door (open)\nPR #13: Fix the roof (merged)", 2),
        ("search_files", "No matches found", 0),
        ("search_files", "Found 0 matches in 0 files", 0),
        ("grep", "Found 2 matches in 1 file\n\nsrc/a.py:\n  Line 3: import os\n  Line 9: import re", 2),
        ("list_events", "No upcoming events found.", 0),
        ("list_events", "You have 2 upcoming events:\n\n- Meeting at 10:00\n- Dinner at 19:00", 2),
        ("list_reminders", "You have no reminders.", 0),
    ],
)  # fmt: skip
def test_records_between_the_remarks_of_a_server_are_counted(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("site_map", 3),
        ("crawl", 3),
        ("run_command", None),
        ("analyze_page", None),
        ("get_page", None),
    ],
)
def test_lines_of_one_form_are_records_unless_the_tool_does_something_else(tool: str, expected: int | None) -> None:
    assert records(texts("https://a.test/\nhttps://a.test/b\nhttps://a.test/c"), tool) == expected
    assert records(texts("https://a.test/"), tool) is None
