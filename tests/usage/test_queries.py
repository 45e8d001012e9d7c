from __future__ import annotations

from gateway.usage.answers import HistoryFilters
from gateway.usage.queries import history, stats
from gateway.usage.table import UsageTable
from tests.usage.support import event


async def test_a_call_shows_in_history_and_stats(table: UsageTable) -> None:
    one = event()
    await table.insert_soon([one], "a")
    page = await history(table, HistoryFilters(owner=one.owner))
    print(page)
    print(await stats(table))
