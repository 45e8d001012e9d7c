"""The source of usage for commands: a ClickHouse server, or else the admin process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.cli.support.output import CliError
from gateway.cli.support.stores import Stores

if TYPE_CHECKING:
    from gateway.usage.store.table import UsageTable


@asynccontextmanager
async def usage_table(stores: Stores) -> AsyncIterator[UsageTable | None]:
    """Yield the usage table of a ClickHouse server; `None` for chDB, which only the admin process can open.

    Raises `CliError` if ClickHouse fails inside, and if neither is known.
    """
    url = stores.settings.clickhouse_url
    if url is None and stores.instance is None:
        raise CliError("set GATEWAY_CLICKHOUSE_URL, too: with GATEWAY_REDIS_URL alone this command cannot find usage")
    if url is None or url.startswith("chdb:"):
        yield None
        return
    # Imported here: the other commands need no ClickHouse client.
    from gateway.usage.store.errors import UsageTableUnavailable
    from gateway.usage.store.migrations.retention import Retention
    from gateway.usage.store.table import UsageTable

    settings = stores.settings
    retention = Retention(usage_days=settings.usage_ttl_days, audit_days=settings.audit_ttl_days)
    table = UsageTable(url, retention=retention, cluster=settings.clickhouse_cluster)
    try:
        yield table
    except UsageTableUnavailable as error:
        raise CliError(str(error)) from None
    finally:
        table.close()
