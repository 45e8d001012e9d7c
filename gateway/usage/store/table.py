"""The usage table: inserts, queries and exports, on two connections.

Rules:
- Blocking calls run on two threads, one for inserts and one for queries, each with its own connection, so that a slow
  query never delays the writer. The `…_async` methods await them.
- An insert always carries a deduplication token: repeated under the same token it adds nothing, neither to the table
  nor to the roll-ups. (Without a token, chDB was observed to drop near-equal batches.)
- Connections are opened when first needed, and again after a failure. Until then every call raises
  `UsageTableUnavailable`, whose message names the fix.
- Values reach ClickHouse as bound parameters only.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from clickhouse_connect.driver.client import Client

from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from gateway.usage.store.columns import COLUMN_TYPES, columns
from gateway.usage.store.connection import Connector, Timeouts
from gateway.usage.store.errors import UsageRefused, UsageTableUnavailable, classify_error, unavailable
from gateway.usage.store.export_stream import ExportStream, GuardedExportStream, open_export_stream
from gateway.usage.store.migrations.cluster import INSERT_SETTINGS
from gateway.usage.store.migrations.retention import Retention, set_retention
from gateway.usage.store.names import LOG_TABLE

QUERY_BYTES = 1 << 30
"""ClickHouse cancels a query that needs more memory."""
MAX_EXPORTS = 2
"""Concurrent exports."""

_INSERT_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # A batch is small: threads cost more than they save.
    "max_threads": 1,
    # A batch may touch any number of months; the events' times are checked before.
    "max_partitions_per_insert_block": 0,
}

Result = TypeVar("Result")


class ExportsBusy(Exception):
    """`MAX_EXPORTS` exports are running."""


class UsageTable:
    """The usage table at a URL: `http(s)://user:password@host:port/database` or `chdb:///folder`."""

    def __init__(
        self,
        url: str,
        *,
        database: str | None = None,
        retention: Retention = Retention(),  # noqa: B008 - immutable
        cluster: str | None = None,
        timeouts: Timeouts | None = None,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """Opens nothing yet.

        `cluster`: the tables are on all servers of that cluster.
        """
        timeouts = timeouts or Timeouts()
        self.connector = Connector(url, database=database, cluster=cluster, timeouts=timeouts)
        self.retention = retention
        self.cluster = cluster
        self._insert_settings = {**_INSERT_SETTINGS, **(INSERT_SETTINGS if cluster else {})}
        self._query_seconds = timeouts.query
        self.now_ms = now_ms
        self._opening = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._exports = threading.BoundedSemaphore(MAX_EXPORTS)
        self._threads = {name: ThreadPoolExecutor(1, f"usage-{name}") for name in ("insert", "query")}

    @property
    def database(self) -> str:
        return self.connector.database

    @property
    def today(self) -> datetime.date:
        """The current day in UTC."""
        return datetime.datetime.fromtimestamp(self.now_ms() / 1000, datetime.UTC).date()

    @property
    def first_day(self) -> datetime.date | None:
        """The first day within the retention. Older rows may exist until ClickHouse removes them."""
        days = self.retention.usage_days
        return self.today - datetime.timedelta(days=days - 1) if days else None

    def open(self) -> None:
        """Connect, create and migrate the database, and set the retention. Raises `UsageTableUnavailable`.

        The first call of another method does the same, but for the retention: a reader must not change it.
        """
        self._call("insert", lambda client: set_retention(client, self.retention, self.cluster))

    def insert(self, events: Sequence[UsageEvent], token: str) -> None:
        """Insert events as one block. Return when ClickHouse acknowledged it.

        Raises `UsageRefused` if it refuses their content: then none of them is stored, except by an earlier attempt.
        Raises `UsageTableUnavailable` if they may or may not be stored: repeat it with the same token.
        """
        self.insert_columns(LOG_TABLE, COLUMN_TYPES, columns(events), token)

    def insert_columns(self, name: str, types: Mapping[str, str], data: Sequence[Sequence[Any]], token: str) -> None:
        """Insert rows into a table as one block; `data` has a list for each column of `types`. Raises as `insert`."""
        settings = {**self._insert_settings, "insert_deduplication_token": token}
        self._call(
            "insert",
            lambda client: client.insert(
                name,
                data,
                column_names=tuple(types),
                column_type_names=tuple(types.values()),
                column_oriented=True,
                settings=settings,
            ),
        )

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query with bound parameters (`{name:Type}`). Raises `UsageTableUnavailable`."""
        settings = {"max_execution_time": self._query_seconds, "max_memory_usage": QUERY_BYTES}
        return self._rows("query", sql, parameters or {}, settings)

    def write(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute a statement on the inserting connection, without the bounds of `query`, and return its rows.

        Raises `UsageTableUnavailable`.
        """
        # A unique token, so that it is executed whatever was executed before.
        settings = {**self._insert_settings, "insert_deduplication_token": secrets.token_hex(16)}
        return self._rows("insert", sql, parameters, settings)

    def export_stream(self, sql: str, parameters: Mapping[str, Any], fmt: str) -> ExportStream:
        """Start a query on a separate connection and return its result as a stream of bytes. The caller closes it.

        `fmt` is a format of ClickHouse. Raises `ExportsBusy`, and `UsageTableUnavailable`, which reading raises too.
        """
        if not self._exports.acquire(blocking=False):
            raise ExportsBusy
        try:
            stream = open_export_stream(self.connector.connect, self.connector.is_embedded, sql, parameters, fmt)
        except Exception as error:
            self._exports.release()
            raise unavailable(error, self.connector.place) from error
        return GuardedExportStream(stream, self.connector.place, self._exports.release)

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        """Run `insert` on the inserting thread. Cancelling the caller does not stop it."""
        await self._run("insert", self.insert, events, token)

    async def insert_columns_async(
        self, name: str, types: Mapping[str, str], data: Sequence[Sequence[Any]], token: str
    ) -> None:
        """Run `insert_columns` on the inserting thread."""
        await self._run("insert", self.insert_columns, name, types, data, token)

    async def query_async(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run `query` on the querying thread."""
        return await self._run("query", self.query, sql, parameters)

    async def write_async(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run `write` on the inserting thread."""
        return await self._run("insert", self.write, sql, parameters)

    async def open_async(self) -> None:
        """Run `open` on the inserting thread."""
        await self._run("insert", self.open)

    def close(self) -> None:
        """Wait for running calls, then close both connections."""
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)
        with self._opening:
            while self._clients:
                self._clients.popitem()[1].close()

    async def _run(self, thread: str, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads[thread], function, *arguments)

    def _rows(
        self, connection: str, sql: str, parameters: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        try:
            return self._call(
                connection,
                lambda client: [
                    tuple(row) for row in client.query(sql, dict(parameters), settings=dict(settings)).result_rows
                ],
            )
        except UsageRefused as error:
            raise UsageTableUnavailable(f"ClickHouse at {self.connector.place} refuses a query: {error}") from error

    def _call(self, connection: str, function: Callable[[Client], Result]) -> Result:
        """Call a function with a connection, and translate what it raises."""
        try:
            client = self._client(connection)
        except Exception as error:
            raise unavailable(error, self.connector.place) from error
        try:
            return function(client)
        except Exception as error:
            raise classify_error(error, self.connector.place) from error

    def _client(self, connection: str) -> Client:
        with self._opening:
            if connection not in self._clients:
                self._clients[connection] = self.connector.connect()
            return self._clients[connection]
