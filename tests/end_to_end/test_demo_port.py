"""The demo upstream where its usual port is taken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_up import Running, is_alive, processes_under

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def usual_port_is_taken() -> Iterator[None]:
    """Port 8002, held by this test or by whoever holds it already."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8002)))
        yield


@pytest.mark.usefixtures("usual_port_is_taken")
def test_it_takes_another_port_and_comes_back_to_that_one_when_it_dies(tmp_path: Path) -> None:
    running = Running("up", data_dir=tmp_path / "data")
    try:
        running.until_ready()
        assert running.rpc(LIST, running.key).status_code == 200
        (demo,) = [pid for pid in processes_under(running.process.pid) if "mcp_backend" in command_of(pid)]
        os.kill(demo, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while is_alive(demo) or running.rpc(LIST, running.key).status_code != 200:
            assert time.monotonic() < deadline, running.log
            time.sleep(0.05)
    finally:
        assert running.stop() == 0


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
