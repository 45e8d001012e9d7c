"""`mcp-gateway up`: everything in one command, with embedded engines for the URLs that are not configured.

Valkey and the demo upstream run as child processes; chDB runs inside the admin process. The first start creates the
first admin and one API key, and prints them once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from gateway.preflight import startup_checks
from gateway.runtime import data_dir, embedded, startup_banner
from gateway.runtime.admin_command import admin_child, create_first_admin
from gateway.runtime.command import SHUTDOWN_GRACE, run_command, supervised
from gateway.runtime.proxy_command import worker_children
from gateway.runtime.supervision.supervisor import StartError
from gateway.settings import Settings

log = logging.getLogger(__name__)


def run_up(settings: Settings) -> int:
    """Run everything until SIGINT or SIGTERM. Returns the exit code."""
    return run_command(settings, _up)


async def _up(settings: Settings, stop: asyncio.Event) -> None:
    folder = settings.data_dir.absolute()
    data_dir.prepare(folder)
    with data_dir.locked(folder):
        await startup_checks.check(
            settings,
            ports=(
                (settings.host, settings.proxy_port, "--proxy-port"),
                (settings.host, settings.admin_port, "--admin-port"),
                (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
            ),
        )
        startup_checks.report_certificate(settings, startup_banner.client_url(settings))
        valkey = None if settings.redis_url else embedded.valkey_child(embedded.find_valkey(), folder)
        demo_listener = None if settings.upstream_url else embedded.open_demo_listener()
        settings = embedded.with_embedded_engines(settings, folder)
        with demo_listener or contextlib.nullcontext():
            async with supervised(settings, stop) as supervisor:
                if valkey is not None:
                    await supervisor.start(valkey)
                if demo_listener is not None:
                    ready_line = await supervisor.start(embedded.demo_child(demo_listener, SHUTDOWN_GRACE))
                    settings = settings.replaced(upstream_url=ready_line.rpartition(" ")[2])
                # In this order, so that a proxy that is ready means that logins are served.
                await supervisor.start(admin_child(settings))
                credentials = await create_first_admin(settings, with_key=True)
                try:
                    await supervisor.start_all(worker_children(settings))
                except StartError:
                    startup_banner.print_credentials(credentials)
                    raise
                with data_dir.instance_file(folder, _instance(settings)):
                    startup_banner.print_up(settings, credentials, is_demo=demo_listener is not None)
                    await stop.wait()
                log.info("stopping: open requests may finish")


def _instance(settings: Settings) -> data_dir.Instance:
    assert settings.redis_url is not None
    return data_dir.Instance(
        pid=os.getpid(),
        redis_url=settings.redis_url,
        proxy_url=startup_banner.proxy_url(settings),
        admin_url=startup_banner.admin_url(settings),
        upstream_url=settings.upstream_url,
        public_url=settings.public_url,
        settings=settings.without_secrets(),
        secrets=settings.given_secrets(),
    )
