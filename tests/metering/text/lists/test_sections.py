# ruff: noqa: E501 - the cases are read better in one line each
"""Sections under headings, blocks with labels and free text, and parts of a text that states their number."""

from __future__ import annotations

import pytest

from gateway.metering import meter
from tests.metering.support import records, texts, wire

PERIODS = "Tonight:\nTemperature: 54 F\nWind: 5 kn\nForecast: Clear\n\n---\n\nFriday:\nTemperature: 70 F\nWind: 4 kn\nForecast: Sunny\n"
PROVIDERS = "Matches for boats\n\nEach entry has:\n- id: the identifier\n- title: the name\nChoose by the title.\n\n---\n\n- id: 100\n- title: Oak\n---\n- id: 101\n- title: Teak\n"
NOTES = "## Next Steps\n\n- Use get_issue with the ID\n- Set up alerts: see the rules"
RELEASES = "# Releases\n\n## 2.0.0\n\n**Created**: today\n**Projects**: shop\n\n## 2.1.0\n\n**Created**: today\n**Projects**: shop\n\n"
RESULTS = "Detailed Results:\n\nTitle: One\nURL: https://a\nContent: Text\nSee the table; 12 hits in all.\n\nTitle: Two\nURL: https://b\nContent: Text\nTitle: what to expect\n\n"
PREAMBLE = "# Search Results\n\n**Suggested presentation:** Cards work well.\n\n**View these results**:\nhttps://a.example/?q=x\nPlease tell the user.\n\nFound **2** issues:\n\n"
ISSUES = "## 1. [SHOP-1](https://a)\n\n**bad price**\n\n- **Status**: open\n- **Users**: 3\n\n## 2. [SHOP-2](https://b)\n\n**bad name**\n\n- **Status**: open\n- **Users**: 4\n\n"


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("find_releases", RELEASES, 2),
        ("find_releases", RELEASES + NOTES, 2),
        ("find_releases", "# Releases\n\n## Executed search\n\n- Query: x\n- Sort: -time\n\n" + RELEASES.partition("\n\n")[2] + NOTES, 2),
        ("find_organizations", "# Organizations\n\n## **acme**\n\n**Web URL:** https://a\n**Region URL:** \n\n## Notes\n\n- The slug is used elsewhere.", 1),
        ("search", RESULTS, 2),
        ("search_issues", PREAMBLE + ISSUES + NOTES, 2),
        ("get_forecast", PERIODS, 2),
        ("get_forecast", PERIODS.replace(":\n", "\n"), 2),
        ("get_forecast", PERIODS.replace("Wind", "Gusts", 1).replace("Forecast", "Sky", 1), None),
        ("search_providers", PROVIDERS, 2),
        ("ask", "Found 2 issues:\n\n" + ISSUES, 2),
        ("list_pages", "Mapped Pages:\n\n[1] URL: https://a\n\n[2] URL: https://b\n\n[3] URL: https://c", 3),
        ("map", "Map Results:\nBase URL: https://a\n\nPages:\n\n[1] URL: https://a\n\n[2] URL: https://b\n\n[3] URL: https://c", 3),
        ("search", "Detailed Results:", 0),
        ("list_tables", "Tables:", 0),
        ("search_issues", '# Results for "x"\n\n**Suggested presentation:** Cards.\n\nNo issues found matching your criteria.\n\nTry another time range.', 0),
        ("search", "No results found.\n\nSuggestions:\n- Try other words\n- Check the spelling\n- Use fewer words\n- Ask\n- Wait", 0),
        ("query_task", '# 任務查詢結果\n\n## 無符合結果\n\n沒有找到符合 "鋼琴" 的任務。\n\n### 可能的原因:\n\n- 任務 ID 不存在\n- 可能已被刪除\n', 0),
        ("list_tasks", "No open tasks.\n\nDone tasks:\n- Buy milk\n- Sell car", None),
        ("query_task", "# 結果\n\n## 列表\n\n### 箱 6 (ID: f7)\n\n- 狀態: pending\n- 描述: 檢查\n### 箱 9 (ID: 01)\n\n- 狀態: pending\n- 描述: 檢查\n\n## 分頁資訊\n\n- 總計結果: 4 筆\n", 2),
        ("get_library_docs", "# Guide\n\n## Install\n\nRun it.\n\nThen wait.\n\nThen read.\n\nThen go.\n\nEnd.\n\n## Use\n\nCall it.\n\nThen look.\n\nThen call.\n\nAgain.\n\nEnd.", None),
        ("web_search", "Boats\nhttps://a.test\nAll about boats.\n\nSchool\nhttps://b.test\nLearn to sail.", 2),
        ("web_search", "[Boats](https://a.test)\nAll about boats.\n\n[School](https://b.test)\nLearn to sail.", 2),
        ("list_issues", "**#12** The door\nState: open | By: ann\n\n**#13** The roof\nState: open | By: ben", 2),
        ("search_jobs", "\U0001f4bc Baker\n\U0001f4cd Oslo\n\n\U0001f4bc Cook\n\U0001f4cd Rome", 2),
        ("list_notes", "A first thought.\nIt goes on.\n\nA second one.\nIt ends.", None),
        ("search_guides", "# Guide\n\n## Install\n\nRun it.\n\n- a step\n\n## Use\n\nCall it:\n\n1. by name", None),
        ("search_issues", "# The door\n\n**Owner:** ann\n\n## Description\n\nIt squeaks.\n\n## Comments\n\n- ann: yes", None),
        ("list_sales", "## Summary\n\n**Total sales:** 57\n**Average:** 31\n\n## Next steps\n\n- Use get_sale", None),
        ("list_functions", "def f(x):\n    return x + 1\n\ndef g(y):\n    return y * 2", None),
        ("list_parts", "Parts:\n\nRows: 12154\nColumns: 8", None),
        ("analyze_sales", "Sales rose:\n\n- by 20 % in Oslo\n- by 3 % in Rome", None),
    ],
)  # fmt: skip
def test_sections_that_share_labels_are_records(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected


def test_the_heading_that_states_the_number_is_the_witness() -> None:
    answer = meter("ask", {}, wire(texts("Found 2 issues:\n\n" + ISSUES)))
    assert (answer.path, answer.witness) == ("text 1: numbered rows", "text 1: heading")
    answer = meter("ask", {}, wire(texts("| a | b |\n|---|---|\n| 1 | x |\n\n(1 row)")))
    assert (answer.path, answer.witness) == ("text 1: Markdown table", "text 1: footer")


@pytest.mark.parametrize("footer", ["(1 row)", "Total: 2 rows", "返回 1 行", "2 Zeilen"])
def test_a_footer_that_states_fewer_rows_makes_a_count_unknown(footer: str) -> None:
    assert records(texts(f"| a | b |\n|---|---|\n| 1 | x |\n| 2 | y |\n| 3 | z |\n\n{footer}")) is None


@pytest.mark.parametrize("heading", ["Table t (12154 rows), sample:", "Showing 3 of 512 rows:", "Found 512 rows:"])
def test_a_heading_may_state_a_larger_number(heading: str) -> None:
    assert records(texts(f"{heading}\n\n| a | b |\n|---|---|\n| 1 | x |\n| 2 | y |\n| 3 | z |")) == 3


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("get_issue", "# A-1: Fix the door\n\nStatus: open\n\nComments (2):\n\n- ann: hello\n- bob: hi", None),
        ("get_user", "Name: Ann\nAge: 30\nIssues: 2", None),
        ("get_info", "Columns: 2\nName: x\nSize: y", None),
        ("get_stats", "Total tables: 3\n\nTop tables:\n- a\n- b\n- c", None),
        ("search_issues", "Search took 3 ms.\n\nFound 2 issues:\n\n- A\n- B", 2),
        ("list_users", "Ann (id 1)\nBob (id 2)\n2 users", 2),
    ],
)
def test_the_numbers_among_the_fields_of_one_entity_state_nothing(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected
