"""Checks before any process is started, so that each fault is one line and nothing is left half started.

- A `*_fault` function returns None if all is well, else one line: what is wrong, and the fix.
- `check` can wait for engines that are started at the same time; it never waits for a port.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import time
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from gateway.event_loop import listening
from gateway.redis import client as redis_client
from gateway.settings import Settings
from gateway.settings.model import shown_value
from gateway.tls.inspection import inspect_files
from gateway.tls.pair import PairError, PairFiles

if TYPE_CHECKING:
    from gateway.preflight.upstream_probe import Finding

log = logging.getLogger(__name__)

_TIMEOUT = 5.0
"""Seconds for one check."""
_RETRY_SECONDS = 0.5


class CannotStartError(Exception):
    """Nothing was started. `faults` has one line for each reason, with its fix."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


async def port_fault(host: str, port: int, flag: str) -> str | None:
    """Check that a port can be bound; `flag` is the flag or variable that chooses another one.

    Waits up to a second for a port in use, because the children of an instance that was just killed may still hold it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 1.0
    while (error := _bind_error(host, port)) is not None:
        if error.errno != errno.EADDRINUSE:
            return f"cannot listen on {host}:{port}: {error.strerror}; see GATEWAY_HOST and {flag}"
        if loop.time() > deadline:
            return f"port {port} on {host} is in use: stop what listens there, or choose another with {flag}"
        await asyncio.sleep(0.05)
    return None


def is_port_free(host: str, port: int) -> bool:
    """Return True if a port can be bound."""
    return _bind_error(host, port) is None


async def redis_fault(url: str) -> str | None:
    """Check that a configured Redis answers."""
    client = redis_client.connect(url)
    try:
        await client.ping()
    except (RedisError, OSError, ValueError) as error:
        return f"Redis at {shown_value('redis_url', url)} cannot be reached ({error}): see GATEWAY_REDIS_URL"
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose()
    return None


async def clickhouse_fault(url: str) -> str | None:
    """Check that a configured ClickHouse server answers. chDB is not checked: the admin process alone may open it."""
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        return None
    # Not at the top: most commands need no HTTP client.
    import aiohttp

    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    ping = f"{parts.scheme}://{host}:{parts.port or (8443 if parts.scheme == 'https' else 8123)}/ping"
    shown = shown_value("clickhouse_url", url)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session,
            session.get(ping) as response,
        ):
            if response.status == 200:
                return None
            return f"ClickHouse at {shown} answers /ping with status {response.status}: see GATEWAY_CLICKHOUSE_URL"
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error.strerror or str(error.os_error)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        reason = str(error) or "timed out"
    return f"ClickHouse at {shown} cannot be reached ({reason}): see GATEWAY_CLICKHOUSE_URL"


async def upstream_finding(settings: Settings) -> Finding:
    """Ask the configured upstream, with the credentials of the gateway."""
    # Not at the top: most commands need no HTTP client.
    from gateway.preflight.upstream_probe import probe_upstream

    assert settings.upstream_url is not None
    authorization = settings.upstream_authorization
    return await probe_upstream(settings.upstream_url, authorization.get_secret_value() if authorization else None)


async def upstream_fault(settings: Settings) -> str | None:
    """Check that the upstream accepts connections; anything else that is wrong with it is logged as a warning."""
    finding = await upstream_finding(settings)
    if not finding.is_reachable:
        return _upstream_line(settings, finding)
    if not finding.is_ok:
        log.warning("%s", _upstream_line(settings, finding))
    return None


async def report_upstream(settings: Settings) -> None:
    """Log as a warning what is wrong with the upstream, if anything."""
    finding = await upstream_finding(settings)
    if not finding.is_ok:
        until = "" if finding.is_reachable else "; calls are 502 until then"
        log.warning("%s%s", _upstream_line(settings, finding), until)


def report_certificate(settings: Settings, url: str) -> None:
    """Log as a warning why clients do not accept the TLS certificate at a URL, or soon will not, if anything."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        certificate = inspect_files(PairFiles(settings.tls_cert, settings.tls_key))
    except PairError as error:
        log.warning("%s", error)
        return
    for problem in certificate.problems(urlsplit(url).hostname or "", time.time()):
        log.warning("the certificate in GATEWAY_TLS_CERT %s: %s", problem.finding, problem.fix)


def _upstream_line(settings: Settings, finding: Finding) -> str:
    return f"the upstream at {shown_value('upstream_url', settings.upstream_url)} {finding.text}: {finding.fix}"


async def check(settings: Settings, *, ports: Iterable[tuple[str, int, str]]) -> None:
    """Check the ports and the engines that are configured. Raises `CannotStartError` with all faults."""
    faults = [*await _port_faults(ports), *await _engine_faults(settings)]
    if faults:
        raise CannotStartError(faults)


async def wait_until_startable(
    settings: Settings, stop: asyncio.Event, *, ports: Iterable[tuple[str, int, str]]
) -> None:
    """Check as `check` does, and give engines `GATEWAY_START_TIMEOUT` to answer, unless `stop` is set meanwhile.

    Raises `CannotStartError`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.start_timeout
    port_faults, faults = await asyncio.gather(_port_faults(ports), _engine_faults(settings))
    if port_faults:
        raise CannotStartError([*port_faults, *faults])
    for fault in faults if settings.start_timeout else ():
        log.warning("%s; waiting for it for up to %g s", fault, settings.start_timeout)
    while faults and not stop.is_set():
        if loop.time() >= deadline:
            raise CannotStartError(faults)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), min(_RETRY_SECONDS, deadline - loop.time()))
        faults = await _engine_faults(settings)


async def _port_faults(ports: Iterable[tuple[str, int, str]]) -> list[str]:
    return await _faults([port_fault(host, port, flag) for host, port, flag in ports if port])


async def _engine_faults(settings: Settings) -> list[str]:
    checks: list[Awaitable[str | None]] = []
    if settings.redis_url is not None:
        checks.append(redis_fault(settings.redis_url))
    if settings.clickhouse_url is not None:
        checks.append(clickhouse_fault(settings.clickhouse_url))
    if settings.upstream_url is not None:
        checks.append(upstream_fault(settings))
    return await _faults(checks)


async def _faults(checks: Iterable[Awaitable[str | None]]) -> list[str]:
    return [fault for fault in await asyncio.gather(*checks) if fault is not None]


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        listening.close_all(listening.bind(host, port))
    except OSError as error:
        return error
    return None
