"""`mcp-gateway proxy`: the proxy workers alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from gateway.preflight import startup_checks
from gateway.runtime import data_dir, startup_banner
from gateway.runtime.command import SHUTDOWN_GRACE, require_settings, run_command, supervised
from gateway.runtime.supervision.supervisor import Child
from gateway.settings import Settings


def run_proxy(settings: Settings) -> int:
    """Run the proxy workers until SIGINT or SIGTERM. Returns the exit code."""
    return run_command(settings, _proxy)


def worker_children(settings: Settings) -> Sequence[Child]:
    """Describe the worker processes, as many as `GATEWAY_WORKERS`; they listen on one port (`SO_REUSEPORT`)."""
    return [
        Child(
            name=f"worker {number}",
            command=[sys.executable, "-m", "gateway.runtime.proxy_worker"],
            stdin=settings.to_json().encode(),
            stop_timeout=settings.drain_timeout + SHUTDOWN_GRACE,
            reloads=True,
        )
        for number in range(1, settings.workers + 1)
    ]


async def _proxy(settings: Settings, stop: asyncio.Event) -> None:
    require_settings("proxy", redis_url=settings.redis_url, upstream_url=settings.upstream_url)
    folder = settings.data_dir.absolute()
    data_dir.prepare(folder)
    await startup_checks.wait_until_startable(
        settings.replaced(clickhouse_url=None, upstream_url=None),
        stop,
        ports=(
            (settings.host, settings.proxy_port, "GATEWAY_PROXY_PORT"),
            (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
        ),
    )
    if stop.is_set():
        return
    startup_checks.report_certificate(settings, startup_banner.client_url(settings))
    report = asyncio.create_task(startup_checks.report_upstream(settings))
    async with supervised(settings, stop) as supervisor:
        await supervisor.start_all(worker_children(settings.replaced(data_dir=folder)))
        await report
        startup_banner.print_ready()
        await stop.wait()
