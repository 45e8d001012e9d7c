"""Fixtures of the command line's tests: a clean environment, and a Redis that the commands are configured for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.usage.store.table import UsageTable
from tests.cli.keys import OWNER, add_user
from tests.cli.support import flush
from tests.support.clickhouse_front import clickhouse_front
from tests.usage.support import drop_database


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in an empty folder, without settings in the environment."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def redis_url(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty Redis, configured as GATEWAY_REDIS_URL."""
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    flush(valkey_url)
    return valkey_url


@pytest.fixture
def url(redis_url: str) -> str:
    """A Redis with one user, configured as GATEWAY_REDIS_URL."""
    add_user(redis_url, OWNER)
    return redis_url


@pytest.fixture
def clickhouse(chdb_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageTable]:
    """The ClickHouse that the command line is configured for."""
    with clickhouse_front(chdb_url) as front:
        url = f"{front.url}/test_{secrets.token_hex(6)}"
        monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", url)
        table = UsageTable(url)
        yield table
        drop_database(chdb_url, table.database)
        table.close()
