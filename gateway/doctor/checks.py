"""The checks of `mcp-gateway doctor`.

- A check changes nothing and takes at most a few seconds.
- A check that cannot be made is `skipped`. Only `failed` makes the command fail; `skipped` and `warning` do not.
- No finding contains an API key, or the password of a URL.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from redis.exceptions import RedisError

from gateway.doctor import mcp
from gateway.keys.secret import ApiKey, MalformedKey
from gateway.redis.client import connect
from gateway.runtime import startup_checks
from gateway.settings import Settings
from gateway.settings.values import mask_url

State = Literal["ok", "warning", "failed", "skipped"]

TIMEOUT = 10.0
"""Seconds for one HTTP request."""
MAX_CLOCK_DIFFERENCE = 1.0
"""Seconds."""


class Check(NamedTuple):
    """The result of one check; `fix` is empty if nothing needs to be done."""

    name: str
    state: State
    finding: str
    fix: str = ""


class Deployment(NamedTuple):
    """The gateway to check. `redis_url` is None if it is unknown."""

    settings: Settings
    redis_url: str | None
    proxy_url: str
    admin_url: str
    is_up_running: bool
    """True if an `up` runs on the data folder."""
    are_commands_separate: bool
    """True if proxy and admin run as separate commands, with configured URLs."""
    key: str | None


async def run_checks(deployment: Deployment) -> list[Check]:
    """Run all checks, independent ones concurrently."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        groups = await asyncio.gather(
            _data_folder(deployment),
            _ports(deployment),
            _redis(deployment.redis_url),
            _clickhouse(deployment, session),
            _upstream(deployment.settings.upstream_url),
            _proxy(deployment, session),
        )
    return [check for group in groups for check in group]


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
        async with session.get(deployment.admin_url + "/readyz") as response:
            state = await response.json() if response.content_type == "application/json" else {}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
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


async def _upstream(url: str | None) -> list[Check]:
    if url is None:
        return [Check("upstream", "skipped", "no URL is configured: `mcp-gateway up` starts the demo server")]
    if fault := await startup_checks.upstream_fault(url):
        return [Check("upstream", "failed", *_split_fault(fault))]
    return [Check("upstream", "ok", f"accepts connections at {mask_url(url)}")]


async def _proxy(deployment: Deployment, session: aiohttp.ClientSession) -> list[Check]:
    url = deployment.proxy_url
    parts = urlsplit(url)
    try:
        async with session.get(f"{parts.scheme}://{parts.netloc}/readyz") as response:
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        fix = "start it with `mcp-gateway up`, or `mcp-gateway proxy`"
        return [Check("proxy", "failed", f"no server answers at {url}", fix)]
    if status == 503:
        fix = "see the checks of Redis and upstream, and the log of the proxy"
        return [Check("proxy", "failed", f"answers at {url}, but is not ready", fix)]
    if status != 200:
        fix = "check --url and GATEWAY_PROXY_PORT: another program listens there"
        return [Check("proxy", "failed", f"{url} is not the proxy of this gateway (/readyz: status {status})", fix)]
    return [Check("proxy", "ok", f"answers at {url}"), *await _round_trip(deployment, session)]


async def _round_trip(deployment: Deployment, session: aiohttp.ClientSession) -> list[Check]:
    url = deployment.proxy_url
    try:
        checks = [await _without_key(session, url)]
        if deployment.key is None:
            is_handshake_public = "initialize" in deployment.settings.public_methods
            server = await mcp.handshake(session, url, None) if is_handshake_public else None
            if server is not None:
                checks.append(Check("MCP", "ok", f"{server.title} answers through the proxy"))
            return [*checks, Check("MCP with a key", "skipped", "pass one with --key to list the tools")]
        ApiKey.parse(deployment.key)
        server = await mcp.handshake(session, url, deployment.key)
        tools = await mcp.count_tools(session, url, deployment.key, server)
    except MalformedKey as error:
        return [*checks, Check("MCP with a key", "failed", str(error), "copy the key again, or rotate it")]
    except mcp.RoundTripError as error:
        return [*checks, Check("MCP", "failed", error.finding, error.fix)]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return [Check("MCP", "failed", f"the request failed: {error or 'timed out'}", "check the log of the proxy")]
    return [*checks, Check("MCP with a key", "ok", f"{server.title} lists {tools} tools through the proxy")]


async def _without_key(session: aiohttp.ClientSession, url: str) -> Check:
    status = await mcp.status_without_key(session, url)
    if status == 401:
        return Check("key required", "ok", "tools/list without a key is rejected")
    fix = "check that --url is the gateway, and that clients cannot bypass it"
    return Check("key required", "failed", f"tools/list without a key responds with {status}", fix)


def _split_fault(fault: str) -> tuple[str, str]:
    """Split a fault of `startup_checks` into finding and fix."""
    finding, _, fix = fault.rpartition(": ")
    return (finding, fix) if finding else (fault, "")
