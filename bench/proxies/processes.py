"""Starts and stops the processes of the benchmark."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 60.0


class BenchError(Exception):
    """A process did not start, or a count was wrong; the message says which."""


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: Sequence[object], core: int, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process and its children on a core; stop it on exit."""
    with log.open("wb") as errors:
        started = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *map(str, command)], stderr=errors, stdin=subprocess.DEVNULL, **options
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait_until(condition: Callable[[], bool], running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process is ready. Raises `BenchError` if it ends or takes too long."""
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if running.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{running.args!r} did not start:\n{log.read_text()}")
        time.sleep(0.02)


def wait_until_listening(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process accepts connections."""
    wait_until(lambda: _is_listening(port), running, log)


def _is_listening(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
