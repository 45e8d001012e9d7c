# ruff: noqa: E501 - the cases are read better in one line each
"""Entries whose own texts have lines, lists, rules or code in them."""

from __future__ import annotations

import json

import pytest

from tests.metering.support import records, texts

CHAT = """[2026-11-29 18:05:00] From: Ida: [image]
[2026-11-29 18:04:10] From: Uma: Yes, bring:
- oak
- the "blue" paint
[2026-11-29 18:03:00] From: Ida: See you?"""
TASKS = "- Pay the harbour\n  Due: today\n\n- Paint the boat\n  Note: Bring\n- paint\n- brushes\n  Due: tomorrow\n\n- Buy oak\n  Priority: 1\n\n- Sleep\n  Priority: 4"
POSTS = """BOAT SEARCH RESULTS
Query: "oak"
Found 3 posts
=

Post #1
From: @ida
Content: One.

Notes: x
=

Post #2
From: @uma
Content: Two
=

Post #3
From: @ada
Content: Three"""
HITS = "Found 3 search results:\n\n1. **Oak**\n   URL: https://a.test\n   Boats:\n1. Auk\n2. Tern, red\n\nThey sail.\n   Date: today\n\n2. **Teak**\n   URL: https://b.test\n\n3. **Ash**\n   URL: https://c.test\n"
DOCUMENTS = "# Search Results\n\nShowing results 1-2\nMore may be available. Use offset=2 to see more.\n\n## 1. Onboarding\nID: 0b1\nContext: Ask for a\n\n## badge\n\n## 2. Boats\nID: 0b2\nContext: every\n"
PAGES = "Title: Oak: a wood\nURL: https://a.test\nAuthor: Ida\nHighlights:\nIt floats.\n...\n\n---\n\nIt burns, too\n\n---\n\nTitle: Teak\nURL: https://b.test\nAuthor: N/A\n\n---\n\nTitle: N/A\nURL: https://c.test\nAuthor: Uma"
MESSAGES = """**Retrieved 3 messages:**
- (ID: 1) **[ida]** `2026-11-30T20:15:31Z`: ``````js
let a = "b";
``````
- (ID: 2) **[uma]** `2026-11-30T20:14:02Z`: ```see the log```
  Attachments:
    - (Attachment ID: 9) `boat.png`
- (ID: 3) **[ida]** `2026-11-30T20:10:00Z`: ```v2:
- fixes
- more fixes```"""
OCCURRENCES = "Found 3 occurrences of 'oak':\n\nFile: /a.md (file:///a.md)\n  Line 3: oak\n  Line 17: - [ ] oak\n\nFile: /b.md (file:///b.md)\n  Line 9: oak\n\n\nNote: Results limited to 3 matches. There may be more."
FOLDER = "[DIR]  boats                  \n[DIR]  ports                  \n[FILE] oak, final.txt     47 KB\n[FILE] README.md       812 bytes\n\nTotal: 2 files, 2 directories\nTotal size: 1 MB\n"


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("list_messages", CHAT, 3),
        ("list_messages", CHAT.replace("- ", "and "), None),
        ("get_tasks", TASKS, 4),
        ("search_posts", POSTS, 3),
        ("search_posts", POSTS.replace("Found 3", "Found 5"), None),
        ("web_search", HITS, 3),
        ("search_documents", DOCUMENTS, 2),
        ("web_search", PAGES, 3),
        ("read_messages", MESSAGES, 3),
        ("read_messages", json.dumps(MESSAGES), 3),
        ("search_files", OCCURRENCES, 3),
        ("list_directory", FOLDER, 4),
        (
            "get_news",
            "Title: Oak: why\nSummary: It rose.\nText: Long\n\nwith a break\nURL: https://a.test\n\nTitle: Teak\nSummary: \nText: \nURL: https://b.test",
            2,
        ),
        (
            "get_news",
            "Title: Oak: why\nSummary: It rose.\nText: Long\n\nTitle: no summary\n\nTitle: Teak\nSummary: \nText: x",
            None,
        ),
        (
            "list_branches",
            "项目 infra 的分支列表:\n\n分支: main\n提交: abc\n信息: fix\n\n- a\n- b\n提交者: 王\n\n分支: dev\n提交: def\n信息: x\n提交者: 李",
            2,
        ),
        ("list_bills", "Bill B-1\n  Customer: Ida\n  Total: 100\nBill B-2\n  Customer: Uma\n  Total: 50", 2),
        ("nearby", "1. Oak \u2605 4.5 (120 reviews)\n   Main St 1\n2. Teak \u2605 4.0 (12 reviews)\n   Side St 2", 2),
        ("nearby", "1. Go to the harbour.\n2. Take the boat.", None),
        ("get_transcript", "[0:00] hello: there\n[0:03] and - yes\n[1:02:03] bye", 3),
        (
            "search_laws",
            "# Results\n\n## 1. Statutes\n- **Oak** [ID: 1]\n- **Teak** [ID: 2]\n- **Ash** [ID: 3]\n\n## 2. Cases\n(No results)",
            None,
        ),
        (
            "get_service",
            "Information for oak:\n\nNode: a\nName: oak\nPort: 1\n---\nNode: b\nName: oak\nPort: 2\n---",
            2,
        ),
        ("list_variables", "Variables:\n\nDATABASE_URL=postgresql://x\nMODE=on", 2),
        ("list_alerts", "Invoked tool returned an empty result", 0),
        ("list_boats", "주문이 없습니다.", 0),
        ("search_code", "src/a.py:10: def x():\nsrc/b.py:3: x()", 2),
        (
            "job_events",
            "Job 911 Events (3):\n\nTask: Oak\n  Host: a\n  Event: ok\n\nTask: Oak\n  Host: b\n  Event: failed\n  Output: one\ntwo\n\nTask: Teak\n  Host: a\n  Event: ok",
            3,
        ),
        ("list_channels", "Channels in Brno (2):\ngeneral (ID: 1, Type: text)\nvoice: 1 (ID: 2, Type: voice)", 2),
        ("search_posts", POSTS.partition("Found")[0] + "Found 0 posts\n=\nNo posts found for your query.", 0),
    ],
)
def test_lines_within_an_entry_are_no_entries(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool, query="oak") == expected


def test_groups_of_items_between_blank_lines_are_counted_by_the_item() -> None:
    assert records(texts("- a\n- b\n\n- c\n- d\n\n- e"), "list_boats") == 5


def test_a_resource_that_only_names_the_folder_is_no_entry() -> None:
    result = texts(
        "Directory listing for: /srv\n\n[DIR] boats (file:///srv/boats)\n[FILE] oak.txt (file:///srv/oak.txt) - 7 bytes"
    )
    result["content"].append({"type": "resource", "resource": {"uri": "file:///srv", "text": "Directory: /srv"}})
    assert records(result, "list_directory", path="/srv") == 2
