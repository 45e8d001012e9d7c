"""The admin API on a real Valkey and a real chDB, with two users and clients that are logged in."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.accounts.creation_limits import CreationLimits
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.passwords import Passwords
from gateway.accounts.sessions import Sessions
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.users import UserStore
from gateway.alerts.queue import AlertQueue
from gateway.audit.audit_log import AuditLog
from gateway.keys.store import KeyStore
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, SECRET, USER, Api, add_users, empty, serving
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
    return Dependencies(
        redis=redis,
        users=UserStore(redis, now_ms=clock.now_ms, passwords=cheap_passwords),
        keys=KeyStore(redis, pepper=None, now_ms=clock.now_ms),
        usage=usage_table,
        tokens=AccessTokens(SECRET, now_ms=clock.now_ms),
        sessions=Sessions(redis, now_ms=clock.now_ms),
        login_limits=LoginLimits(redis, now_ms=clock.now_ms),
        creation_limits=CreationLimits(redis, now_ms=clock.now_ms),
        audit=AuditLog(redis, now_ms=clock.now_ms),
        alerts=AlertQueue(redis, now_ms=clock.now_ms),
        now_ms=clock.now_ms,
        version="0.0.0-test",
        trusted_proxies=(ipaddress.ip_network("127.0.0.1"),),
    )


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
