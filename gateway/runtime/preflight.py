"""What is looked at before anything is started, so that a fault is one clear line and nothing is half started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from redis.exceptions import RedisError

from gateway.redis import client as redis_client
from gateway.settings import Settings
from gateway.settings.model import shown_value

_TIMEOUT = 5.0
"""Seconds for each look."""


_OURS = frozenset({"clickhouse", "jwt_secret", "lock", "metrics", "runtime.json", "spool", "valkey"})
"""What a data folder holds: by one of them a folder is known to be one."""
_OF_NOBODY = frozenset({"lost+found"})


class CannotStartError(Exception):
    """Why nothing was started: one line for each fault, each with its mend."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def prepare_data_dir(folder: Path) -> None:
    """Make the data folder, for its owner alone. Raises `CannotStartError`, also for a folder of something else."""
    if "?" in str(folder) or not str(folder).isprintable():
        # chDB reads options behind a question mark.
        raise CannotStartError(
            [f"the data folder {str(folder)!r} has a character that chDB cannot take: choose another with --data-dir"]
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {entry.name for entry in folder.iterdir()} - _OF_NOBODY
        if found and not found & _OURS:
            raise CannotStartError(
                [
                    f"the data folder {folder} holds other things, such as {min(found)!r}:"
                    " choose an empty or a new one with --data-dir"
                ]
            )
        folder.chmod(0o700)
    except OSError as failure:
        raise CannotStartError(
            [f"the data folder {folder} cannot be used: {failure.strerror}; choose another with --data-dir"]
        ) from None


@contextlib.contextmanager
def held_data_dir(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises `CannotStartError` where another instance holds it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise CannotStartError(
                [
                    f"the data folder {folder} is held by another instance (process {holder}):"
                    " stop it, or choose another folder with --data-dir"
                ]
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


async def port_fault(host: str, port: int, flag: str) -> str | None:
    """Why a port cannot be listened on; `flag` names how to choose another.

    The children of an instance that was just killed may need a moment to go: that moment is waited for.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 1.0
    while (failure := _bind_failure(host, port)) is not None:
        if failure.errno != errno.EADDRINUSE:
            return f"cannot listen on {host}:{port}: {failure.strerror}; see GATEWAY_HOST and {flag}"
        if loop.time() > deadline:
            return f"port {port} on {host} is in use: stop what listens there, or choose another with {flag}"
        await asyncio.sleep(0.05)
    return None


def is_port_free(host: str, port: int) -> bool:
    """Whether a port can be listened on."""
    return _bind_failure(host, port) is None


async def redis_fault(url: str) -> str | None:
    """Why a configured Redis cannot be used."""
    client = redis_client.connect(url)
    try:
        await client.ping()
    except (RedisError, OSError, ValueError) as failure:
        return f"Redis at {shown_value('redis_url', url)} cannot be reached ({failure}): see GATEWAY_REDIS_URL"
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose()
    return None


async def clickhouse_fault(url: str) -> str | None:
    """Why a configured ClickHouse server cannot be used; chDB is opened by the admin process alone."""
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        return None
    tls = parts.scheme == "https"
    ping = f"{parts.scheme}://{parts.hostname}:{parts.port or (8443 if tls else 8123)}/ping"
    shown = shown_value("clickhouse_url", url)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session,
            session.get(ping) as answer,
        ):
            if answer.status == 200:
                return None
            return f"ClickHouse at {shown} answers {answer.status} to /ping: see GATEWAY_CLICKHOUSE_URL"
    except (aiohttp.ClientError, OSError, TimeoutError) as failure:
        return f"ClickHouse at {shown} cannot be reached ({failure or 'timed out'}): see GATEWAY_CLICKHOUSE_URL"


async def upstream_fault(url: str) -> str | None:
    """Why a configured upstream cannot be used; it need only take a connection."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as failure:
        return (
            f"the upstream at {url} cannot be reached ({failure or 'timed out'}): start it, or see GATEWAY_UPSTREAM_URL"
        )
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


async def check(settings: Settings, *, ports: Iterable[tuple[str, int, str]]) -> None:
    """Look at everything that was configured, and at the ports. Raises `CannotStartError` with all faults."""
    looks = [port_fault(host, port, flag) for host, port, flag in ports if port]
    if settings.redis_url is not None:
        looks.append(redis_fault(settings.redis_url))
    if settings.clickhouse_url is not None:
        looks.append(clickhouse_fault(settings.clickhouse_url))
    if settings.upstream_url is not None:
        looks.append(upstream_fault(settings.upstream_url))
    faults = [fault for fault in await asyncio.gather(*looks) if fault is not None]
    if faults:
        raise CannotStartError(faults)


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _bind_failure(host: str, port: int) -> OSError | None:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in infos:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as failure:
        return failure
    return None
