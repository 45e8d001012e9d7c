"""`mcp-gateway admin`: the admin process alone, and the accounts that the first start creates."""

from __future__ import annotations

import asyncio
import secrets
import sys

from gateway.audit.author import Author
from gateway.keys.store import KeyStore
from gateway.preflight import startup_checks
from gateway.redis import client as redis_client
from gateway.runtime import data_dir, startup_banner
from gateway.runtime.command import SHUTDOWN_GRACE, require_settings, run_command, supervised
from gateway.runtime.startup_banner import FirstCredentials
from gateway.runtime.supervision.supervisor import Child
from gateway.settings import Settings
from gateway.timestamps import now_ms

MIGRATION_TIMEOUT = 3600.0
"""Seconds that the admin process gets to start; a migration may add up all calls that are stored."""
_AUTHOR = Author("mcp-gateway", "first start")


def run_admin(settings: Settings) -> int:
    """Run the admin API and the usage writer until SIGINT or SIGTERM. Returns the exit code."""
    return run_command(settings, _admin)


def admin_child(settings: Settings) -> Child:
    """Describe the admin process."""
    return Child(
        name="the admin process",
        command=[sys.executable, "-m", "gateway.runtime.admin_process"],
        stdin=settings.to_json().encode(),
        start_timeout=MIGRATION_TIMEOUT,
        stop_timeout=settings.drain_timeout + SHUTDOWN_GRACE,
    )


async def create_first_admin(settings: Settings, *, with_key: bool) -> FirstCredentials | None:
    """Create the first admin, and with `with_key` an API key; return None if there is a user already."""
    # Not at the top: it loads argon2, which the other commands do without.
    from gateway.accounts.users import UserExists, UserStore

    assert settings.redis_url is not None
    redis = redis_client.connect(settings.redis_url)
    users = UserStore(redis, now_ms=now_ms).by(_AUTHOR)
    email = settings.admin_email or "admin@localhost"
    configured = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = configured or secrets.token_urlsafe(15)
    try:
        email = (await users.add(email, password, "admin", only_if_empty=True)).email
        api_key = None
        if with_key:
            pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
            keys = KeyStore(redis, pepper=pepper, now_ms=now_ms).by(_AUTHOR)
            _, key = await keys.create(owner=email, key_name="first key")
            api_key = key.text
        return FirstCredentials(email, None if configured else password, api_key)
    except UserExists:
        return None
    finally:
        users.passwords.close()
        await redis.aclose()


async def _admin(settings: Settings, stop: asyncio.Event) -> None:
    require_settings(
        "admin",
        redis_url=settings.redis_url,
        clickhouse_url=settings.clickhouse_url,
        jwt_secret=settings.jwt_secret,
    )
    folder = settings.data_dir.absolute()
    data_dir.prepare(folder)
    await startup_checks.wait_until_startable(
        settings.replaced(upstream_url=None),
        stop,
        ports=(
            (settings.host, settings.admin_port, "GATEWAY_ADMIN_PORT"),
            (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
        ),
    )
    if stop.is_set():
        return
    startup_checks.report_certificate(settings, settings.admin_public_url or startup_banner.admin_url(settings))
    async with supervised(settings, stop) as supervisor:
        await supervisor.start(admin_child(settings.replaced(data_dir=folder)))
        startup_banner.print_admin(settings, await create_first_admin(settings, with_key=False))
        await stop.wait()
