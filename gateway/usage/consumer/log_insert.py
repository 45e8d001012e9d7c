"""Inserting rows of other logs than that of the calls exactly once.

Unlike calls, these rows have no roll-ups, and each has one time. So after an insert whose outcome is unknown, the
missing rows are looked up and inserted under a new token.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from gateway.usage.consumer.batch import LogRows, RejectedEvent
from gateway.usage.consumer.clickhouse_retry import ClickHouseRetry
from gateway.usage.store.errors import UsageRefused
from gateway.usage.store.logs.log_table import LogRow, LogTable
from gateway.usage.store.table import UsageTable

log = logging.getLogger(__name__)


class LogInsert:
    """Inserts rows of logs. Methods raise `LeaseLost`."""

    def __init__(self, table: UsageTable, retry: ClickHouseRetry) -> None:
        self._table = table
        self._retry = retry

    async def insert(self, rows: LogRows, batch_token: str, *, may_be_stored: bool) -> list[RejectedEvent]:
        """Insert the rows that the table lacks, and return those that ClickHouse refuses for their content.

        `may_be_stored`: an earlier attempt may have inserted them.
        """
        missing = await self._missing(rows.log, rows.rows) if may_be_stored else list(rows.rows)
        token = hashlib.sha256(f"{batch_token} {rows.log.name}".encode()).hexdigest()
        return await self._insert(rows.log, missing, token)

    async def _insert(self, table: LogTable[Any], rows: Sequence[LogRow], token: str) -> list[RejectedEvent]:
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            await table.insert(self._table, rows, token)

        if not rows:
            return []
        try:
            await self._retry.run(attempt)
        except UsageRefused as error:
            log.error("usage writer: ClickHouse refuses %d rows of %s: %s", len(rows), table.name, error)
            if len(rows) == 1:
                return [RejectedEvent(table.pack(rows), str(error), table.field.encode())]
            missing = await self._missing(table, rows)
            middle = len(missing) // 2
            return [
                rejected
                for half in (missing[:middle], missing[middle:])
                for rejected in await self._insert(table, half, secrets.token_hex(16))
            ]
        # ClickHouse may remember a token whose rows it has lost; then the repeated insert did nothing.
        if attempts > 1 and (lost := await self._missing(table, rows)):
            return await self._insert(table, lost, secrets.token_hex(16))
        return []

    async def _missing(self, table: LogTable[Any], rows: Sequence[LogRow]) -> list[LogRow]:
        return await self._retry.run(lambda: table.without_stored(self._table, rows))
