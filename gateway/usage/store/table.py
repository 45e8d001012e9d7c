"""The usage table in ClickHouse or chDB: opening, migrating, inserting, querying.

Rules:
- Everything that blocks runs on two threads of the table's own: one for inserts, one for queries, each with
  its own connection, so that a slow query never delays the writer.
- An insert always carries a deduplication token: repeated under the same token it adds nothing, in the
  table and in the daily roll-up. (Without one, chDB was seen to drop near-equal batches.)
- Connections are opened when first needed and again after a failure; until then every call raises
  `UsageTableUnavailable` with what to mend.
- Values reach ClickHouse as bound parameters only.

chDB allows one process for a folder and one folder for a process, and must not be opened before a fork.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import clickhouse_connect
from clickhouse_connect.driver import options
from clickhouse_connect.driver.client import Client

from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from gateway.usage.store.cluster import INSERT_SETTINGS, local_name
from gateway.usage.store.columns import COLUMN_NAMES, COLUMN_TYPES, columns
from gateway.usage.store.errors import UsageRefused, UsageTableUnavailable, judged, unavailable
from gateway.usage.store.export_stream import ExportStream, open_export_stream
from gateway.usage.store.migrate import migrate

LOG_TABLE = "mcp_tool_usage_log"
DAILY_TABLE = "mcp_tool_usage_daily"
DATABASE = "mcp_gateway"
"""Used where the URL names none."""
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
QUERY_SECONDS = 20
"""A query that takes longer is ended by ClickHouse."""

QUERY_BYTES = 1 << 30
"""So does one that needs more memory."""

MAX_EXPORTS = 2
"""Exports at a time."""

_INSERT_SETTINGS = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # A batch is small: threads cost more than they save.
    "max_threads": 1,
    # A batch may touch any number of months; the events' times are checked beforehand.
    "max_partitions_per_insert_block": 0,
}

# The client looks for these at the first insert, and importing them would take 60 MB that nothing here needs.
for _absent in ("np", "pd", "pd_time_test"):
    vars(options).setdefault(_absent, None)

Result = TypeVar("Result")


class ExportsBusy(Exception):
    """There are `MAX_EXPORTS` already."""


class UsageTable:
    """The usage table at a URL: `http(s)://user:password@host:port/database` or `chdb:///folder`."""

    def __init__(
        self,
        url: str,
        *,
        database: str | None = None,
        ttl_days: int | None = None,
        cluster: str | None = None,
        connect_timeout: int = CONNECT_TIMEOUT,
        read_timeout: int = READ_TIMEOUT,
        query_seconds: int = QUERY_SECONDS,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """Nothing is opened yet. `ttl_days`: rows older than so many whole days (UTC) go; `None` keeps
        all. `cluster`: the tables are on all servers of that cluster.
        """
        parts = urlsplit(url)
        self.is_embedded = parts.scheme == "chdb"
        named = None if self.is_embedded else unquote(parts.path.strip("/")) or None
        self.database = database or named or DATABASE
        self.ttl_days = ttl_days
        self._cluster = cluster
        self.is_on_cluster = cluster is not None
        self._insert_settings = {**_INSERT_SETTINGS, **(INSERT_SETTINGS if cluster else {})}
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        """The URL without credentials, for messages."""
        self._query_seconds = query_seconds
        self._now_ms = now_ms
        self._options = _client_options(url, connect_timeout, read_timeout)
        self._opening = threading.Lock()
        self._migrated = False
        self._clients: dict[str, Client] = {}
        self._exports = threading.BoundedSemaphore(MAX_EXPORTS)
        self._threads = {name: ThreadPoolExecutor(1, f"usage-{name}") for name in ("insert", "query")}

    @property
    def today(self) -> datetime.date:
        """The present day in UTC."""
        return datetime.datetime.fromtimestamp(self._now_ms() / 1000, datetime.UTC).date()

    @property
    def first_day(self) -> datetime.date | None:
        """The first day that the retention keeps. Older rows may be there until ClickHouse removes them."""
        return self.today - datetime.timedelta(days=self.ttl_days - 1) if self.ttl_days else None

    def open(self) -> None:
        """Connect, make the database if it is missing, migrate it, set the retention.

        Raises `UsageTableUnavailable`. Needless, but tells early what is wrong.
        """
        self._guarded("insert", lambda client: None)

    def insert(self, events: Sequence[UsageEvent], token: str) -> None:
        """Insert events as one block. Returns when ClickHouse acknowledged them.

        Raises `UsageRefused` where the content is at fault (none of them is in then, unless an earlier
        attempt put them in), `UsageTableUnavailable` where it is not known whether they are in: repeat with
        this token.
        """
        settings = {**self._insert_settings, "insert_deduplication_token": token}
        data = columns(events)
        self._guarded(
            "insert",
            lambda client: client.insert(
                LOG_TABLE,
                data,
                column_names=COLUMN_NAMES,
                column_type_names=COLUMN_TYPES,
                column_oriented=True,
                settings=settings,
            ),
        )

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query with bound parameters (`{name:Type}`). Raises `UsageTableUnavailable`."""
        settings = {"max_execution_time": self._query_seconds, "max_memory_usage": QUERY_BYTES}
        try:
            return self._guarded(
                "query",
                lambda client: [
                    tuple(row) for row in client.query(sql, dict(parameters or {}), settings=settings).result_rows
                ],
            )
        except UsageRefused as error:
            raise UsageTableUnavailable(f"ClickHouse at {self.place} refuses a query: {error}") from error

    def export_stream(self, sql: str, parameters: Mapping[str, Any], fmt: str) -> ExportStream:
        """The answer to a query as a stream of bytes, on a connection of its own; whoever asked closes it.

        `fmt` is one of ClickHouse's. Raises `ExportsBusy`, and `UsageTableUnavailable`, which reading raises too.
        """
        if not self._exports.acquire(blocking=False):
            raise ExportsBusy
        try:
            return _Guarded(
                open_export_stream(self._connected, self.is_embedded, sql, parameters, fmt),
                self.place,
                self._exports.release,
            )
        except Exception as error:
            self._exports.release()
            raise unavailable(error, self.place) from error

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        """`insert` on the inserting thread. A caller that is cancelled leaves the insert running."""
        await self._on("insert", self.insert, events, token)

    async def query_async(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """`query` on the querying thread."""
        return await self._on("query", self.query, sql, parameters)

    async def write_async(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """`write` on the inserting thread."""
        return await self._on("insert", self.write, sql, parameters)

    async def open_async(self) -> None:
        """`open` on the inserting thread."""
        await self._on("insert", self.open)

    def write(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """A statement of the writer's own, without the bounds of a query; its rows. Raises `UsageTableUnavailable`."""
        # Under a token of its own, so that it is carried out whatever was before.
        settings = {**self._insert_settings, "insert_deduplication_token": secrets.token_hex(16)}
        try:
            return self._guarded(
                "insert",
                lambda client: [
                    tuple(row) for row in client.query(sql, dict(parameters), settings=settings).result_rows
                ],
            )
        except UsageRefused as error:
            raise UsageTableUnavailable(f"ClickHouse at {self.place} refuses a statement: {error}") from error

    def close(self) -> None:
        """Wait for what is running, then close both connections."""
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)
        with self._opening:
            while self._clients:
                self._clients.popitem()[1].close()

    async def _on(self, thread: str, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads[thread], function, *arguments)

    def _guarded(self, name: str, call: Callable[[Client], Result]) -> Result:
        try:
            client = self._client(name)
        except Exception as error:
            raise unavailable(error, self.place) from error
        try:
            return call(client)
        except Exception as error:
            raise judged(error, self.place) from error

    def _client(self, name: str) -> Client:
        with self._opening:
            if name not in self._clients:
                self._clients[name] = self._connected()
            return self._clients[name]

    def _connected(self) -> Client:
        if self.is_embedded:
            load_chdb()
        client = clickhouse_connect.get_client(**self._options)
        try:
            self._prepare(client)
        except BaseException:
            client.close()
            raise
        return client

    def _prepare(self, client: Client) -> None:
        if not self._migrated:
            known = client.query(
                "SELECT count() FROM system.databases WHERE name = {name:String}", {"name": self.database}
            )
            if known.result_rows == [(0,)]:
                where = f" ON CLUSTER `{self._cluster}`" if self._cluster else ""
                client.command(f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}}{where}", {"name": self.database})
        client.database = self.database
        if not self._migrated:
            migrate(client, cluster=self._cluster)
            _set_retention(client, self.ttl_days, self._cluster)
            self._migrated = True


class _Guarded:
    """An outlet whose faults are told like those of queries."""

    def __init__(self, outlet: ExportStream, place: str, closed: Callable[[], None]) -> None:
        self._outlet = outlet
        self._place = place
        self._closed = closed

    def read(self) -> bytes:
        try:
            return self._outlet.read()
        except Exception as error:
            raise unavailable(error, self._place) from error

    def close(self) -> None:
        try:
            self._outlet.close()
        finally:
            self._closed()


def _client_options(url: str, connect_timeout: int, read_timeout: int) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        # The client takes the path of a URL as it stands, encoded.
        return {"interface": "chdb", "path": unquote(parts.path)}
    return {
        # The client takes neither TLS nor the port from the scheme.
        "interface": parts.scheme,
        "dsn": urlunsplit(parts._replace(path="")),
        "connect_timeout": connect_timeout,
        "send_receive_timeout": read_timeout,
        "query_retries": 0,
        "autogenerate_session_id": False,
        # Parameters may be longer than a URL.
        "form_encode_query_params": True,
    }


def _set_retention(client: Client, days: int | None, cluster: str | None) -> None:
    """Have both tables forget rows at the end of the same day."""
    for name, day in ((LOG_TABLE, "toStartOfDay(created_at, 'UTC')"), (DAILY_TABLE, "day")):
        table, where = (local_name(name), f" ON CLUSTER `{cluster}`") if cluster else (name, "")
        rows = client.query(
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
            {"name": table},
        ).result_rows
        has_ttl = " TTL " in rows[0][0]
        if days is not None and f"toIntervalDay({days:d})" not in rows[0][0]:
            client.command(f"ALTER TABLE {table}{where} MODIFY TTL {day} + toIntervalDay({days:d})")
        elif days is None and has_ttl:
            client.command(f"ALTER TABLE {table}{where} REMOVE TTL")


def load_chdb() -> None:
    """Import chDB without pyarrow, which it takes along where it finds it: 35 MB that nothing here needs."""
    if "chdb.state.sqlitelike" in sys.modules or "pyarrow" in sys.modules:
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        import chdb.state.sqlitelike  # noqa: F401
    finally:
        del sys.modules["pyarrow"]
