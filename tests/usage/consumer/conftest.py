"""The tests of the consuming side run on both connection types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.usage.store.table import UsageTable
from tests.support.clickhouse_front import clickhouse_front
from tests.usage.consumer.support import FaultyTable


@pytest.fixture(params=["chDB", "HTTP"])
def usage_url(request: pytest.FixtureRequest, chdb_url: str) -> Iterator[str]:
    """The writer behaves the same in both connection types."""
    if request.param == "chDB":
        yield chdb_url
    else:
        with clickhouse_front(chdb_url) as front:
            yield front.url


@pytest.fixture
def faulty(usage_url: str, table: UsageTable) -> Iterator[FaultyTable]:
    """A faulty connection to the database of `table`."""
    found = FaultyTable(usage_url, database=table.database)
    yield found
    found.close()
