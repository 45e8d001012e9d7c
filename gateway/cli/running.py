"""Where a command finds the gateway: the configured Redis, or an `up` that runs on the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.cli.output import CliError
from gateway.settings import Settings

RUNTIME_FILE = "runtime.json"


class Runtime(msgspec.Struct, frozen=True):
    """What a running `up` says of itself in its data folder."""

    pid: int
    redis_url: str
    proxy_url: str
    admin_url: str
    upstream_url: str | None = None


class Found(NamedTuple):
    """Where to go. The other URLs are unknown where only Redis is configured."""

    redis_url: str
    runtime: Runtime | None


def read_runtime(data_dir: Path) -> Runtime | None:
    """What runs on a data folder; `None` where nothing does (any more)."""
    try:
        runtime = msgspec.json.decode((data_dir / RUNTIME_FILE).read_bytes(), type=Runtime)
        os.kill(runtime.pid, 0)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError, msgspec.DecodeError):
        return None
    except PermissionError:
        raise CliError(
            f"the data folder {data_dir} belongs to another user: run this as the user who runs `mcp-gateway up`"
        ) from None
    return runtime


def find(settings: Settings) -> Found:
    """Where Redis is. Raises `CliError` where nothing is configured and nothing runs."""
    if settings.redis_url is not None:
        return Found(settings.redis_url, None)
    runtime = read_runtime(settings.data_dir)
    if runtime is None:
        raise CliError(
            f"no gateway runs on {settings.data_dir}: start one with `mcp-gateway up`,"
            " name its folder with --data-dir, or set GATEWAY_REDIS_URL"
        )
    return Found(runtime.redis_url, runtime)
