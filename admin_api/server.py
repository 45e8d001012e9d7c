"""The admin process: the API and the usage writer, from start to end.

- It starts whole or not at all: the port is taken first, then both engines are tried, then the port is
  opened.
- At the end it is "not ready" first, takes no new connection, lets open requests finish, has the writer drain
  the usage stream until a deadline, and closes the engines. What is left, the next start drains.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

import gateway
from admin_api.address import allowed_hosts
from admin_api.app import make_app
from admin_api.connection import Runner
from admin_api.dependencies import Dependencies
from gateway.accounts.audit_trail import AuditTrail
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.tokens import Tokens
from gateway.accounts.users import UserStore
from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.store import KeyStore
from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.settings import Settings
from gateway.timestamps import now_ms
from gateway.usage.consumer.read_your_writes import request_flush
from gateway.usage.consumer.writer import UsageWriter
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.reconciliation import monitor_balance
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.table import UsageTable

DRAIN_USAGE_SECONDS = 5.0
_DRAIN_POLL_SECONDS = 0.02
BACKLOG = 512
"""Connections that may wait to be accepted."""

_log = logging.getLogger(__name__)


class CannotStart(Exception):
    """Why the process does not start, with the mend, in one line."""


@asynccontextmanager
async def running(settings: Settings, observer: UsageMetricsSink | None = None) -> AsyncIterator[None]:
    """Serve while inside. Raises `CannotStart`."""
    if settings.redis_url is None or settings.clickhouse_url is None or settings.jwt_secret is None:
        raise CannotStart("redis_url, clickhouse_url and jwt_secret are required")
    for chatty in ("urllib3", "clickhouse_connect"):
        # What they warn of, the usage table raises, and whoever asked tells it in one line.
        logging.getLogger(chatty).setLevel(logging.ERROR)
    listener = _listener(settings.host, settings.admin_port)
    redis = redis_client.connect(settings.redis_url)
    table = UsageTable(settings.clickhouse_url, ttl_days=settings.usage_ttl_days, cluster=settings.clickhouse_cluster)
    users = UserStore(redis, now_ms=now_ms)
    try:
        await _reach(redis, table)
        deps = _dependencies(settings, settings.jwt_secret.get_secret_value(), redis, table, users)
        writer = UsageWriter(redis, table, metrics=observer)
        balancing = _balancing(redis, table, writer, observer)
        async with _writing(redis, writer), balancing, _serving(settings, deps, listener):
            yield
    finally:
        listener.close()
        users.passwords.close()
        await asyncio.to_thread(table.close)
        with suppress(RedisError, OSError):
            await redis.aclose()


def _dependencies(
    settings: Settings, jwt_secret: str, redis: Redis, table: UsageTable, users: UserStore
) -> Dependencies:
    pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
    return Dependencies(
        redis=redis,
        users=users,
        keys=KeyStore(redis, pepper=pepper, now_ms=now_ms),
        usage=table,
        tokens=Tokens(jwt_secret, now_ms=now_ms),
        login_limits=LoginLimits(redis, now_ms=now_ms),
        audit=AuditTrail(redis, now_ms=now_ms),
        now_ms=now_ms,
        version=gateway.__version__,
        proxy_port=settings.proxy_port,
        proxy_path=settings.proxy_paths[-1],
        allowed_hosts=allowed_hosts(settings.host, settings.allowed_hosts),
        trusted_proxies=tuple(ipaddress.ip_network(network) for network in settings.trusted_proxies),
    )


async def _reach(redis: Redis, table: UsageTable) -> None:
    try:
        await redis.ping()
    except (RedisError, OSError) as error:
        raise CannotStart(f"Redis cannot be reached, check GATEWAY_REDIS_URL: {error}") from None
    try:
        await table.open_async()
    except UsageTableUnavailable as error:
        raise CannotStart(str(error)) from None


@asynccontextmanager
async def _serving(settings: Settings, deps: Dependencies, listener: socket.socket) -> AsyncIterator[None]:
    runner = Runner(make_app(deps), shutdown_timeout=settings.drain_timeout)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        yield
    finally:
        deps.draining.set()
        await runner.cleanup()


@asynccontextmanager
async def _writing(redis: Redis, writer: UsageWriter) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run(), name="usage-writer")
    task.add_done_callback(_report)
    try:
        yield
    finally:
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(DRAIN_USAGE_SECONDS):
                await request_flush(redis)
                # The stream cannot be waited on for becoming empty.
                while writer.state.is_leading and await redis.xlen(redis_names.USAGE):  # noqa: ASYNC110
                    await asyncio.sleep(_DRAIN_POLL_SECONDS)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _balancing(
    redis: Redis, table: UsageTable, writer: UsageWriter, observer: UsageMetricsSink | None
) -> AsyncIterator[None]:
    """Hold the books of usage against each other, in the process that writes them, while nothing else is wrong."""
    task = asyncio.create_task(
        monitor_balance(
            redis, table, observer or UsageMetricsSink(), lambda: writer.state.is_leading and not writer.state.problem
        ),
        name="usage-balance",
    )
    try:
        yield
    finally:
        await cancel_and_wait(task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("The usage writer has ended; usage waits in Redis until a restart", exc_info=error)


def _listener(host: str, port: int) -> socket.socket:
    """The port, taken but not yet open."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}, check GATEWAY_HOST: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        mend = (
            "another program uses it; set GATEWAY_ADMIN_PORT"
            if error.errno == errno.EADDRINUSE
            else "check GATEWAY_HOST and GATEWAY_ADMIN_PORT"
        )
        raise CannotStart(f"cannot listen on {host}:{port} ({error.strerror}): {mend}") from None
    return listener
