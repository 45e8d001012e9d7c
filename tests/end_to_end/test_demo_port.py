"""The demo upstream if its usual port is taken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_up import Running, is_alive, processes_under
from tests.support.waiting import wait_until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def usual_port_is_taken() -> Iterator[None]:
    """Port 8002, taken by this test or by another process."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8002)))
        yield


@pytest.mark.usefixtures("usual_port_is_taken")
def test_the_demo_uses_a_free_port_and_keeps_it_after_a_restart(tmp_path: Path) -> None:
    running = Running("up", data_dir=tmp_path / "data")
    try:
        running.until_ready()
        assert running.rpc(LIST, running.key).status_code == 200
        (demo,) = [pid for pid in processes_under(running.process.pid) if "mcp_backend" in command_of(pid)]
        os.kill(demo, signal.SIGKILL)
        wait_until(lambda: not is_alive(demo) and running.rpc(LIST, running.key).status_code == 200)
    finally:
        assert running.stop() == 0


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
