"""The checks of `mcp-gateway doctor`.

- A check changes nothing and takes at most a few seconds.
- A check that cannot be made is `skipped`. Only `failed` makes the command fail; `skipped` and `warning` do not.
- No finding contains an API key, or the password of a URL.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from redis.exceptions import RedisError

from gateway.doctor.certificate import check_certificate
from gateway.doctor.deployment import Check, Deployment
from gateway.doctor.proxy_checks import check_key, check_proxy, rejected_certificate
from gateway.doctor.webhook import check_webhook
from gateway.preflight import startup_checks
from gateway.redis.client import connect
from gateway.settings.values import mask_url

TIMEOUT = 10.0
"""Seconds for one HTTP request."""
MAX_CLOCK_DIFFERENCE = 1.0
"""Seconds."""


async def run_checks(deployment: Deployment, seconds: float | None = None) -> list[Check]:
    """Run all checks, independent ones concurrently; those that take longer than `seconds` have failed."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=deployment.admin_tls)) as to_admin,
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=deployment.proxy_tls)) as to_proxy,
    ):
        checks = {
            "data folder": _data_folder(deployment),
            "ports": _ports(deployment),
            "Redis": _redis(deployment.redis_url),
            "ClickHouse": _clickhouse(deployment, to_admin),
            "upstream": _upstream(deployment),
            "API key": check_key(deployment),
            "TLS certificate": check_certificate(deployment),
            "webhook": check_webhook(deployment),
            "proxy": check_proxy(deployment, to_proxy),
        }
        groups = await asyncio.gather(*(_within(seconds, name, check) for name, check in checks.items()))
    return [check for group in groups for check in group]


async def _within(seconds: float | None, name: str, checking: Awaitable[list[Check]]) -> list[Check]:
    try:
        async with asyncio.timeout(seconds):
            return await checking
    except TimeoutError:
        return [Check(name, "failed", f"gave no result within {seconds:g} s", "see the log of the gateway")]


async def _data_folder(deployment: Deployment) -> list[Check]:
    folder = deployment.settings.data_dir
    name = "data folder"
    if not folder.exists():
        return [Check(name, "skipped", f"{folder} does not exist yet")]
    if not folder.is_dir():
        return [Check(name, "failed", f"{folder} is not a folder", "choose another one with --data-dir")]
    exposed = [path for path in (folder, folder / "jwt_secret", folder / "runtime.json") if _is_exposed(path)]
    if exposed:
        fixes = "; ".join(f"chmod go-rwx {path}" for path in exposed)
        return [Check(name, "failed", f"other users can read {', '.join(map(str, exposed))}", fixes)]
    return [Check(name, "ok", f"other users cannot read the secrets in {folder}")]


def _is_exposed(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    if os.getuid() not in (0, status.st_uid):
        # A volume of Kubernetes or OpenShift, whose mode this user cannot change.
        return False
    return bool(status.st_mode & 0o077)


async def _ports(deployment: Deployment) -> list[Check]:
    if deployment.is_up_running:
        return [Check("ports", "skipped", "in use by this gateway")]
    settings = deployment.settings
    ports = [
        (settings.host, settings.proxy_port, "GATEWAY_PROXY_PORT"),
        (settings.host, settings.admin_port, "GATEWAY_ADMIN_PORT"),
        (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
    ]
    if deployment.are_commands_separate:
        return [Check("ports", "skipped", "proxy and admin run as separate commands")]
    taken = [(port, variable) for host, port, variable in ports if port and not startup_checks.is_port_free(host, port)]
    if not taken:
        return [Check("ports", "ok", "free")]
    return [
        Check("ports", "failed", f"{port} is in use", f"stop the process that listens there, or set {variable}")
        for port, variable in taken
    ]


async def _redis(url: str | None) -> list[Check]:
    if url is None:
        return [Check("Redis", "skipped", "no URL is configured, and no `mcp-gateway up` runs")]
    client = connect(url)
    try:
        started = time.monotonic()
        seconds, microseconds = await client.time()
        elapsed = time.monotonic() - started
        info = await client.info()
    except (RedisError, OSError) as error:
        fix = "start it, or check GATEWAY_REDIS_URL"
        return [Check("Redis", "failed", f"{mask_url(url)} cannot be used: {str(error).rstrip('.')}", fix)]
    finally:
        await client.aclose()
    product = str(info.get("server_name") or "redis")
    version = info.get("valkey_version") or info.get("redis_version")
    checks = [Check("Redis", "ok", f"{product} {version} answers in {elapsed * 1000:.1f} ms")]
    return checks + _durability(info) + [_clock(int(seconds) + int(microseconds) / 1e6)]


def _durability(info: dict[str, object]) -> list[Check]:
    checks = []
    if not info.get("aof_enabled"):
        checks.append(
            Check("Redis", "warning", "has no append-only file: a crash loses keys and usage", "set appendonly yes")
        )
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        checks.append(
            Check("Redis", "failed", f"evicts keys ({policy}) when it is full", "set maxmemory-policy noeviction")
        )
    return checks


def _clock(redis_time: float) -> Check:
    difference = abs(time.time() - redis_time)
    if difference <= MAX_CLOCK_DIFFERENCE:
        return Check("clock", "ok", "agrees with the clock of Redis")
    return Check(
        "clock", "failed", f"differs by {difference:.1f} s from the clock of Redis", "run NTP on both machines"
    )


async def _clickhouse(deployment: Deployment, session: aiohttp.ClientSession) -> list[Check]:
    url = deployment.settings.clickhouse_url
    if url is not None and urlsplit(url).scheme != "chdb" and (fault := await startup_checks.clickhouse_fault(url)):
        return [Check("ClickHouse", "failed", *_split_fault(fault))]
    try:
        async with session.get(deployment.admin_url + "/readyz", allow_redirects=False) as response:
            state = await response.json() if response.content_type == "application/json" else {}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        if finding := rejected_certificate(deployment.admin_url, error):
            return [Check("admin API", "failed", finding, "set SSL_CERT_FILE to the PEM file of its issuer")]
        fix = "start it with `mcp-gateway up`, or `mcp-gateway admin`"
        return [Check("admin API", "failed", f"no server answers at {deployment.admin_url}", fix)]
    if not isinstance(state, dict) or "clickhouse" not in state:
        fix = "check GATEWAY_ADMIN_PORT: another program listens there"
        return [Check("admin API", "failed", f"{deployment.admin_url} is not the admin API of this gateway", fix)]
    checks = [Check("admin API", "ok", f"answers at {deployment.admin_url}")]
    if state["clickhouse"] == "ok":
        return [*checks, Check("ClickHouse", "ok", "the admin process is connected to it")]
    fix = "check the log of the admin process; usage events wait in Redis until then"
    return [*checks, Check("ClickHouse", "failed", "the admin process cannot connect to it", fix)]


async def _upstream(deployment: Deployment) -> list[Check]:
    settings = deployment.settings
    if settings.upstream_url is None:
        return [Check("upstream", "skipped", "no URL is configured: `mcp-gateway up` starts the demo server")]
    finding = await startup_checks.upstream_finding(settings)
    shown = f"{mask_url(settings.upstream_url)} {finding.text}"
    if finding.is_ok:
        return [Check("upstream", "ok", shown)]
    if finding.needs_credentials and "upstream_authorization" in deployment.unknown_secrets:
        # The round trip through the proxy tells whether they are accepted.
        return [Check("upstream", "skipped", f"{shown}, which the running gateway has and this command has not")]
    return [Check("upstream", "failed", shown, finding.fix)]


def _split_fault(fault: str) -> tuple[str, str]:
    """Split a fault of `startup_checks` into finding and fix."""
    finding, _, fix = fault.rpartition(": ")
    return (finding, fix) if finding else (fault, "")
