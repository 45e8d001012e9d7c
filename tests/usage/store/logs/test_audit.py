"""Reading the audit log in pages."""

from __future__ import annotations

import pytest

from gateway.usage.store.logs.audit import AuditFilters, Position, read_page
from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.table import UsageTable
from tests.support.audit import audit_entry
from tests.usage.support import NOW_MS


@pytest.mark.parametrize("copies", [1, 2, 5])
async def test_pages_have_each_entry_once_newest_first_even_if_it_was_inserted_again(
    table: UsageTable, copies: int
) -> None:
    # Some have the same time.
    entries = [audit_entry(created_at=NOW_MS + number // 3) for number in range(10)]
    for copy in range(copies):
        await AUDIT_LOG.insert(table, entries, f"token {copy}")
    found: list[str] = []
    after: Position | None = None
    sizes = []
    while True:
        page = await read_page(table, AuditFilters(), 4, after)
        found += [item.id for item in page.items]
        sizes.append(len(page.items))
        if page.next_position is None:
            break
        after = page.next_position
    assert found == [one.id for one in reversed(entries)]
    assert sizes == [4, 4, 2]
