"""Doubtful counts over HTTP."""

from __future__ import annotations

from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import OTHER, insert
from tests.support.admin_api import ADMIN, Api, event

SIGNS = ("common_list", "beyond_limit")


async def test_doubtful_counts_are_listed_by_tool_and_place(user: Api, api: Api, table: UsageTable) -> None:
    await insert(
        table,
        *(
            event(
                tool_name="find",
                record_count=None,
                count_path="structuredContent.rows",
                count_signs=SIGNS,
                count_confidence=at,
            )
            for at in (0.4, 0.6)
        ),
        event(tool_name="other", record_count=None, count_path="text 1: CSV", owner=OTHER),
        event(tool_name="nothing", record_count=None),
        event(tool_name="counted", record_count=2, count_path="structuredContent.rows"),
    )
    assert (await user.get("/api/mcp-usage/doubts")).body == {
        "doubts": [
            {
                "tool_name": "find",
                "count_path": "structuredContent.rows",
                "count_witness": "",
                "count_signs": list(SIGNS),
                "calls": 2,
                "confidence": 0.5,
            }
        ],
        "truncated": False,
    }
    everybody = await (await api.logged_in(ADMIN)).get("/api/mcp-usage/doubts", all="true")
    assert [row["tool_name"] for row in everybody.body["doubts"]] == ["find", "other"]
