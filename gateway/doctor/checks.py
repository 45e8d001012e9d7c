"""The checks, in the order in which a person would make them.

- Nothing is changed, and nothing waits longer than a few seconds.
- A check that cannot be made says so (`skipped`) and is no failure; a `warning` is none either.
- No line shows a key, or a password in a URL.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from redis.exceptions import RedisError

from gateway.doctor import mcp
from gateway.keys.secret import ApiKey, MalformedKey
from gateway.redis.client import connect
from gateway.runtime import preflight
from gateway.settings import Settings
from gateway.settings.values import mask_url

State = Literal["ok", "warning", "failed", "skipped"]

TIMEOUT = 10.0
"""Seconds for one HTTP exchange."""
MAX_CLOCK_DIFFERENCE = 1.0
"""Seconds that two clocks may differ."""


class Check(NamedTuple):
    """What was looked at, and what was seen; `mend` is set where something is to be done."""

    name: str
    state: State
    seen: str
    mend: str = ""


class Subject(NamedTuple):
    """What is examined. URLs are `None` where they are not known."""

    settings: Settings
    redis_url: str | None
    proxy_url: str
    admin_url: str
    is_up_running: bool
    """Whether an `up` runs on the data folder."""
    is_role_configured: bool
    """Whether proxy and admin run apart, by configured URLs."""
    key: str | None


async def examine(subject: Subject) -> list[Check]:
    """Make all checks, at the same time where they do not depend on each other."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        groups = await asyncio.gather(
            _data_folder(subject),
            _ports(subject),
            _redis(subject.redis_url),
            _clickhouse(subject, session),
            _upstream(subject.settings.upstream_url),
            _proxy(subject, session),
        )
    return [check for group in groups for check in group]


async def _data_folder(subject: Subject) -> list[Check]:
    folder = subject.settings.data_dir
    name = "data folder"
    if not folder.exists():
        return [Check(name, "skipped", f"{folder} is not made yet")]
    if not folder.is_dir():
        return [Check(name, "failed", f"{folder} is no folder", "name another with --data-dir")]
    loose = [path for path in (folder, folder / "jwt_secret", folder / "runtime.json") if _is_open(path)]
    if loose:
        mends = "; ".join(f"chmod go-rwx {path}" for path in loose)
        return [Check(name, "failed", f"other users may read {', '.join(map(str, loose))}", mends)]
    return [Check(name, "ok", f"{folder} is its owner's alone")]


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


async def _ports(subject: Subject) -> list[Check]:
    if subject.is_up_running:
        return [Check("ports", "skipped", "they are this gateway's own")]
    settings = subject.settings
    ports = [
        (settings.host, settings.proxy_port, "GATEWAY_PROXY_PORT"),
        (settings.host, settings.admin_port, "GATEWAY_ADMIN_PORT"),
        (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
    ]
    if subject.is_role_configured:
        return [Check("ports", "skipped", "proxy and admin run apart")]
    taken = [(port, variable) for host, port, variable in ports if port and not preflight.is_port_free(host, port)]
    if not taken:
        return [Check("ports", "ok", "free")]
    return [
        Check("ports", "failed", f"{port} is in use", f"stop what listens there, or set {variable}")
        for port, variable in taken
    ]


async def _redis(url: str | None) -> list[Check]:
    if url is None:
        return [Check("Redis", "skipped", "none is configured, and no `mcp-gateway up` runs")]
    client = connect(url)
    try:
        began = time.monotonic()
        seconds, microseconds = await client.time()
        answered = time.monotonic() - began
        info = await client.info()
    except (RedisError, OSError) as error:
        mend = "start it, or see GATEWAY_REDIS_URL"
        return [Check("Redis", "failed", f"{mask_url(url)} cannot be used: {str(error).rstrip('.')}", mend)]
    finally:
        await client.aclose()
    product = str(info.get("server_name") or "redis")
    version = info.get("valkey_version") or info.get("redis_version")
    checks = [Check("Redis", "ok", f"{product} {version} answers in {answered * 1000:.1f} ms")]
    return checks + _durability(info) + [_clock(int(seconds) + int(microseconds) / 1e6)]


def _durability(info: dict[str, object]) -> list[Check]:
    checks = []
    if not info.get("aof_enabled"):
        checks.append(
            Check("Redis", "warning", "keeps no append-only file: a crash loses keys and usage", "set appendonly yes")
        )
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        checks.append(
            Check("Redis", "failed", f"evicts keys ({policy}) when it is full", "set maxmemory-policy noeviction")
        )
    return checks


def _clock(theirs: float) -> Check:
    difference = abs(time.time() - theirs)
    if difference <= MAX_CLOCK_DIFFERENCE:
        return Check("clock", "ok", "agrees with that of Redis")
    return Check("clock", "failed", f"differs by {difference:.1f} s from that of Redis", "run NTP on both machines")


async def _clickhouse(subject: Subject, session: aiohttp.ClientSession) -> list[Check]:
    url = subject.settings.clickhouse_url
    if url is not None and urlsplit(url).scheme != "chdb" and (fault := await preflight.clickhouse_fault(url)):
        return [Check("ClickHouse", "failed", *_halves(fault))]
    try:
        async with session.get(subject.admin_url + "/readyz") as answer:
            state = await answer.json() if answer.content_type == "application/json" else {}
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        mend = "start it with `mcp-gateway up`, or `mcp-gateway admin`"
        return [Check("admin API", "failed", f"nothing answers at {subject.admin_url}", mend)]
    if not isinstance(state, dict) or "clickhouse" not in state:
        mend = "see GATEWAY_ADMIN_PORT: something else listens there"
        return [Check("admin API", "failed", f"{subject.admin_url} is no admin API of this gateway", mend)]
    checks = [Check("admin API", "ok", f"answers at {subject.admin_url}")]
    if state["clickhouse"] == "ok":
        return [*checks, Check("ClickHouse", "ok", "the admin process reaches it")]
    mend = "see the log of the admin process; usage waits in Redis meanwhile"
    return [*checks, Check("ClickHouse", "failed", "the admin process does not reach it", mend)]


async def _upstream(url: str | None) -> list[Check]:
    if url is None:
        return [Check("upstream", "skipped", "none is configured: `mcp-gateway up` starts the demo server")]
    if fault := await preflight.upstream_fault(url):
        return [Check("upstream", "failed", *_halves(fault))]
    return [Check("upstream", "ok", f"takes connections at {mask_url(url)}")]


async def _proxy(subject: Subject, session: aiohttp.ClientSession) -> list[Check]:
    url = subject.proxy_url
    parts = urlsplit(url)
    try:
        async with session.get(f"{parts.scheme}://{parts.netloc}/readyz") as answer:
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        mend = "start it with `mcp-gateway up`, or `mcp-gateway proxy`"
        return [Check("proxy", "failed", f"nothing answers at {url}", mend)]
    if status == 503:
        mend = "see the lines of Redis and upstream, and the log of the proxy"
        return [Check("proxy", "failed", f"answers at {url}, but is not ready", mend)]
    if status != 200:
        mend = "see --url and GATEWAY_PROXY_PORT: something else listens there"
        return [Check("proxy", "failed", f"{url} is no proxy of this gateway (/readyz is {status})", mend)]
    return [Check("proxy", "ok", f"answers at {url}"), *await _round_trip(subject, session)]


async def _round_trip(subject: Subject, session: aiohttp.ClientSession) -> list[Check]:
    url = subject.proxy_url
    try:
        checks = [await _without_key(session, url)]
        if subject.key is None:
            needs_no_key = "initialize" in subject.settings.public_methods
            server = await mcp.handshake(session, url, None) if needs_no_key else None
            if server is not None:
                checks.append(Check("MCP", "ok", f"{server.title} answers through the proxy"))
            return [*checks, Check("MCP with a key", "skipped", "give one with --key to list the tools")]
        ApiKey.parse(subject.key)
        server = await mcp.handshake(session, url, subject.key)
        tools = await mcp.count_tools(session, url, subject.key, server)
    except MalformedKey as error:
        return [*checks, Check("MCP with a key", "failed", str(error), "copy the key once more, or rotate it")]
    except mcp.RoundTripError as error:
        return [*checks, Check("MCP", "failed", error.problem, error.mend)]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return [Check("MCP", "failed", f"the round trip broke off: {error or 'timed out'}", "see the proxy's log")]
    return [*checks, Check("MCP with a key", "ok", f"{server.title} lists {tools} tools through the proxy")]


async def _without_key(session: aiohttp.ClientSession, url: str) -> Check:
    status = await mcp.status_without_key(session, url)
    if status == 401:
        return Check("key required", "ok", "tools/list without a key is refused")
    mend = "see that clients reach the upstream through this gateway alone, and that --url names it"
    return Check("key required", "failed", f"tools/list without a key is answered {status}", mend)


def _halves(fault: str) -> tuple[str, str]:
    """A fault's line as what is wrong and the mend."""
    problem, _, mend = fault.rpartition(": ")
    return (problem, mend) if problem else (fault, "")
