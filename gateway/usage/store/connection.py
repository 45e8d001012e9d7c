"""Opening connections to ClickHouse or chDB, with the database created and migrated.

chDB allows one process for a folder and one folder for a process, and must not be opened before a fork.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import clickhouse_connect
import msgspec
from clickhouse_connect.driver import options
from clickhouse_connect.driver.client import Client

from gateway.usage.store.migrations.migrate import migrate

DATABASE = "mcp_gateway"
"""The database of a URL that names none."""
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
QUERY_SECONDS = 20
"""ClickHouse cancels a query that takes longer."""

# The client looks for these at the first insert. Importing them would take 60 MB, and nothing here uses them.
for _absent in ("np", "pd", "pd_time_test"):
    vars(options).setdefault(_absent, None)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits by phase, in seconds."""

    connect: int = CONNECT_TIMEOUT
    read: int = READ_TIMEOUT
    query: int = QUERY_SECONDS


class Connector:
    """Opens connections to the database at a URL. Two threads may both migrate it, which does no harm."""

    def __init__(self, url: str, *, database: str | None, cluster: str | None, timeouts: Timeouts) -> None:
        """Opens nothing yet. `cluster` is that of `UsageTable`."""
        parts = urlsplit(url)
        self.is_embedded = parts.scheme == "chdb"
        named = None if self.is_embedded else unquote(parts.path.strip("/")) or None
        self.database = database or named or DATABASE
        self.place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        """The URL without credentials, for messages."""
        self._cluster = cluster
        self._options = _client_options(url, timeouts)
        self._is_prepared = False

    def connect(self) -> Client:
        """Open a connection; the first one also creates and migrates the database. Raises what the client raises."""
        client = self.open_client()
        try:
            if not self._is_prepared:
                self._create_database(client)
            client.database = self.database
            if not self._is_prepared:
                migrate(client, cluster=self._cluster)
                self._is_prepared = True
        except BaseException:
            client.close()
            raise
        return client

    def open_client(self) -> Client:
        """Open a connection to no particular database."""
        if self.is_embedded:
            load_chdb()
        return clickhouse_connect.get_client(**self._options)

    def _create_database(self, client: Client) -> None:
        found = client.query("SELECT count() FROM system.databases WHERE name = {name:String}", {"name": self.database})
        if found.result_rows == [(0,)]:
            on_cluster = f" ON CLUSTER `{self._cluster}`" if self._cluster else ""
            client.command(f"CREATE DATABASE IF NOT EXISTS {{name:Identifier}}{on_cluster}", {"name": self.database})


def _client_options(url: str, timeouts: Timeouts) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        # The client does not decode the path of a URL.
        return {"interface": "chdb", "path": unquote(parts.path)}
    return {
        # The client derives neither TLS nor the port from the scheme.
        "interface": parts.scheme,
        "dsn": urlunsplit(parts._replace(path="")),
        "connect_timeout": timeouts.connect,
        "send_receive_timeout": timeouts.read,
        "query_retries": 0,
        "autogenerate_session_id": False,
        # Parameters may be longer than a URL.
        "form_encode_query_params": True,
    }


def load_chdb() -> None:
    """Import chDB without pyarrow, which it imports if it is installed: 35 MB that nothing here uses."""
    if "chdb.state.sqlitelike" in sys.modules or "pyarrow" in sys.modules:
        return
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    try:
        import chdb.state.sqlitelike  # noqa: F401
    finally:
        del sys.modules["pyarrow"]
