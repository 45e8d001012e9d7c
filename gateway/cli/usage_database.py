"""Where commands read usage: from ClickHouse itself where it is a server, else from the admin process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.cli.support.output import CliError
from gateway.cli.support.services import Services

if TYPE_CHECKING:
    from gateway.usage.store.table import UsageTable


@asynccontextmanager
async def usage_table(services: Services) -> AsyncIterator[UsageTable | None]:
    """The usage table of a configured ClickHouse; `None` for chDB, which the admin process alone can open.

    Raises `CliError` where ClickHouse cannot be read inside.
    """
    url = services.settings.clickhouse_url
    if url is None or url.startswith("chdb:"):
        yield None
        return
    # Not at the top: the other commands need no ClickHouse client.
    from gateway.usage.store.errors import UsageTableUnavailable
    from gateway.usage.store.table import UsageTable

    table = UsageTable(url, ttl_days=services.settings.usage_ttl_days, cluster=services.settings.clickhouse_cluster)
    try:
        yield table
    except UsageTableUnavailable as error:
        raise CliError(str(error)) from None
    finally:
        table.close()
