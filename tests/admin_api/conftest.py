"""The admin API on a real Valkey and a real chDB, with two users and clients that are logged in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.accounts.passwords import Passwords
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, USER, Api, add_users, dependencies, empty, serving
from tests.support.clock import Clock


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No writer stores here what logins add to the usage stream, so that nothing is worth waiting for."""
    monkeypatch.setattr("gateway.usage.consumer.read_your_writes.PATIENCE", 0.0)


@pytest.fixture(scope="package")
def usage_table(chdb_url: str) -> Iterator[UsageTable]:
    """A usage table on the real clock, shared by the tests of this package."""
    table = UsageTable(chdb_url, database="admin_api")
    table.open()
    yield table
    table.close()


@pytest.fixture
async def table(usage_table: UsageTable) -> UsageTable:
    """The shared table, emptied."""
    await empty(usage_table)
    return usage_table


@pytest.fixture
def deps(redis: redis.asyncio.Redis, usage_table: UsageTable, clock: Clock, cheap_passwords: Passwords) -> Dependencies:
    return dependencies(redis, usage_table, clock.now_ms, cheap_passwords)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Dependencies], Awaitable[Api]]]:
    """A function that serves the app with these dependencies for the duration of the test."""
    async with contextlib.AsyncExitStack() as servers:
        yield lambda deps: servers.enter_async_context(serving(deps))


@pytest.fixture
async def api(serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies) -> Api:
    """The app with an admin and a user."""
    await add_users(deps)
    return await serve(deps)


@pytest.fixture
async def user(api: Api) -> Api:
    """The app, logged in as a plain user."""
    return await api.logged_in(USER)


@pytest.fixture
async def admin(api: Api) -> Api:
    """The app, logged in as an admin."""
    return await api.logged_in(ADMIN)
