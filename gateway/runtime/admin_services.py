"""The services of the admin process: the admin API, the usage writer and the periodic reconciliation.

Start: bind the port, check Redis and ClickHouse, then accept connections. If a step fails, nothing is served.
Stop: report "not ready" and stop accepting, finish open requests, let the usage writer empty the usage stream until a
deadline, close the clients. Entries that are left stay in the stream and are written after the next start.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

import gateway
from admin_api.app import make_app
from admin_api.dependencies import Dependencies
from admin_api.http.addresses import allowed_hosts
from admin_api.http.connection import Runner, Site
from gateway.accounts.creation_limits import CreationLimits
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.sessions import Sessions
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.users import UserStore
from gateway.alerts.causes import unbalanced_cause
from gateway.alerts.metrics_sink import AlertMetricsSink
from gateway.alerts.queue import AlertQueue
from gateway.alerts.running import alerting
from gateway.alerts.webhook import WebhookAddress
from gateway.audit.audit_log import AuditLog
from gateway.audit.earlier_versions import move_earlier_entries
from gateway.event_loop import listening
from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.store import KeyStore
from gateway.preflight.startup_checks import CannotStartError
from gateway.protocol.forwarded import parse_network
from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.runtime.diagnosis import diagnosis
from gateway.settings import Settings
from gateway.settings.secret_values import split_secrets
from gateway.timestamps import now_ms
from gateway.tls.pair import PairError
from gateway.tls.server import ServerTls, server_tls
from gateway.usage.consumer.read_your_writes import request_flush
from gateway.usage.consumer.writer import UsageWriter
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.reconciliation import MONITOR_SECONDS, Balance, BalanceReporter, monitor_balance
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.table import UsageTable

FINAL_FLUSH_SECONDS = 5.0
_FLUSH_POLL_SECONDS = 0.02
LISTEN_BACKLOG = 512
ALERTED_MONITOR_SECONDS = 15.0
"""Interval of the reconciliation if differences are sent as alerts, which must leave within 30 s."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def running(
    settings: Settings, metrics: UsageMetricsSink | None = None, alert_metrics: AlertMetricsSink | None = None
) -> AsyncIterator[None]:
    """Run the admin process for the duration of the context. Raises `CannotStartError`."""
    if settings.redis_url is None or settings.clickhouse_url is None or settings.jwt_secret is None:
        raise CannotStartError(["redis_url, clickhouse_url and jwt_secret are required"])
    for name in ("urllib3", "clickhouse_connect"):
        # The usage table raises the errors that these libraries also log.
        logging.getLogger(name).setLevel(logging.ERROR)
    tls = _tls(settings)
    listeners = _bind(settings.host, settings.admin_port)
    redis = redis_client.connect(settings.redis_url)
    retention = Retention(usage_days=settings.usage_ttl_days, audit_days=settings.audit_ttl_days)
    table = UsageTable(settings.clickhouse_url, retention=retention, cluster=settings.clickhouse_cluster)
    users = UserStore(redis, now_ms=now_ms)
    try:
        await _check_databases(redis, table)
        deps = _dependencies(settings, _access_tokens(settings), redis, table, users)
        writer = UsageWriter(redis, table, metrics=metrics)
        reconciling = _reconciling(deps, writer, metrics)
        sending = alerting(redis, deps.webhook, alert_metrics)
        async with _writing(redis, writer), reconciling, sending, _serving(settings, deps, listeners, tls):
            yield
    finally:
        listening.close_all(listeners)
        users.passwords.close()
        await asyncio.to_thread(table.close)
        with suppress(RedisError, OSError):
            await redis.aclose()


def _dependencies(
    settings: Settings, tokens: AccessTokens, redis: Redis, table: UsageTable, users: UserStore
) -> Dependencies:
    pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
    return Dependencies(
        redis=redis,
        users=users,
        keys=KeyStore(redis, pepper=pepper, now_ms=now_ms),
        usage=table,
        tokens=tokens,
        sessions=Sessions(redis, now_ms=now_ms),
        login_limits=LoginLimits(redis, now_ms=now_ms),
        creation_limits=CreationLimits(redis, now_ms=now_ms),
        audit=AuditLog(redis, now_ms=now_ms),
        alerts=AlertQueue(redis, now_ms=now_ms),
        webhook=WebhookAddress.of(settings.webhook_url, settings.webhook_secret),
        now_ms=now_ms,
        version=gateway.__version__,
        proxy_port=settings.proxy_port,
        proxy_path=settings.proxy_paths[-1],
        public_url=settings.public_url,
        admin_public_url=settings.admin_public_url,
        allowed_hosts=allowed_hosts(settings.host, settings.allowed_hosts, settings.admin_public_url),
        is_tls=settings.tls_cert is not None,
        trusted_proxies=tuple(map(parse_network, settings.trusted_proxies)),
        diagnose=diagnosis(settings),
    )


def _access_tokens(settings: Settings) -> AccessTokens:
    assert settings.jwt_secret is not None
    previous = settings.jwt_previous_secrets
    return AccessTokens(
        settings.jwt_secret.get_secret_value(),
        now_ms=now_ms,
        previous_secrets=() if previous is None else split_secrets(previous),
    )


async def _check_databases(redis: Redis, table: UsageTable) -> None:
    try:
        await redis.ping()
        await move_earlier_entries(redis)
    except (RedisError, OSError) as error:
        raise CannotStartError([f"Redis cannot be reached, check GATEWAY_REDIS_URL: {error}"]) from None
    try:
        await table.open_async()
    except UsageTableUnavailable as error:
        raise CannotStartError([str(error)]) from None


@asynccontextmanager
async def _serving(
    settings: Settings, deps: Dependencies, listeners: list[socket.socket], tls: ServerTls | None
) -> AsyncIterator[None]:
    """Serve the admin API."""
    runner = Runner(
        make_app(deps), keepalive_timeout=settings.keepalive_timeout, shutdown_timeout=settings.drain_timeout
    )
    await runner.setup()
    watch = asyncio.create_task(tls.watch(), name="tls-reload") if tls is not None else None
    try:
        for listener in listeners:
            await Site(runner, listener, tls, backlog=LISTEN_BACKLOG).start()
        yield
    finally:
        deps.draining.set()
        await runner.cleanup()
        if watch is not None:
            await cancel_and_wait(watch)


@asynccontextmanager
async def _writing(redis: Redis, writer: UsageWriter) -> AsyncIterator[None]:
    """Run the usage writer; on exit, let it empty the usage stream for at most `FINAL_FLUSH_SECONDS`."""
    task = asyncio.create_task(writer.run(), name="usage-writer")
    task.add_done_callback(_log_writer_failure)
    try:
        yield
    finally:
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(FINAL_FLUSH_SECONDS):
                await request_flush(redis)
                # Redis cannot block until a stream is empty.
                while writer.state.is_leading and await redis.xlen(redis_names.USAGE):  # noqa: ASYNC110
                    await asyncio.sleep(_FLUSH_POLL_SECONDS)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _reconciling(
    deps: Dependencies, writer: UsageWriter, metrics: UsageMetricsSink | None
) -> AsyncIterator[None]:
    """Run the periodic reconciliation, in the process that holds the writer's lease and while the writer works."""
    reporter = BalanceReporter(metrics or UsageMetricsSink())

    async def report(balance: Balance) -> None:
        reporter.report(balance)
        if deps.webhook is not None and not balance.balanced:
            await deps.alerts.raise_alerts([unbalanced_cause(balance)])

    task = asyncio.create_task(
        monitor_balance(
            deps.redis,
            deps.usage,
            report,
            lambda: writer.state.is_leading and not writer.state.problem,
            seconds=MONITOR_SECONDS if deps.webhook is None else ALERTED_MONITOR_SECONDS,
        ),
        name="usage-reconciliation",
    )
    try:
        yield
    finally:
        await cancel_and_wait(task)


def _log_writer_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("The usage writer failed; usage events stay in Redis until a restart", exc_info=error)


def _tls(settings: Settings) -> ServerTls | None:
    try:
        return server_tls(settings.tls_cert, settings.tls_key)
    except PairError as error:
        raise CannotStartError([str(error)]) from None


def _bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to the port but do not listen yet."""
    try:
        return listening.bind(host, port)
    except OSError as error:
        fix = (
            "another program uses it; set GATEWAY_ADMIN_PORT"
            if error.errno == errno.EADDRINUSE
            else "check GATEWAY_HOST and GATEWAY_ADMIN_PORT"
        )
        raise CannotStartError([f"cannot listen on {host}:{port} ({error.strerror}): {fix}"]) from None
