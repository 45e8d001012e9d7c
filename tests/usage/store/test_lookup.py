"""Looking up which events the table has."""

from __future__ import annotations

from gateway.usage.store.lookup import find_stored
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, event


async def test_the_lookup_finds_stored_events_only(table: UsageTable) -> None:
    events = [event(created_at=NOW_MS + number * DAY_MS) for number in range(250)]
    await table.insert_async(events, "token")
    assert await find_stored(table, [*events, event()]) == {one.event_id: one.created_at for one in events}
    assert await find_stored(table, []) == {}
