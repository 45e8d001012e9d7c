"""The child's side of the supervisor's protocol; the package's docstring describes it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any


def read_settings_line() -> bytes:
    """Read the line of settings from standard input. Exits with a message if standard input is a terminal."""
    if sys.stdin.isatty():
        sys.exit("This module is started by mcp-gateway, which writes the settings to its standard input.")
    # Unbuffered, so that the event loop sees the end of the pipe after the line.
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return bytes(line)


def announce_ready(line: str) -> None:
    """Report to the supervisor that this process is ready to serve."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def on_reload(callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `callback` on each SIGHUP, one run after another. The supervisor sends SIGHUP only after `announce_ready`."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()
    lock = asyncio.Lock()

    async def run() -> None:
        async with lock:
            await callback()

    def on_hangup() -> None:
        task = loop.create_task(run())
        running.add(task)
        task.add_done_callback(running.discard)

    loop.add_signal_handler(signal.SIGHUP, on_hangup)


async def wait_for_stop() -> None:
    """Wait for SIGTERM, SIGINT or the end of standard input."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def on_input() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, on_input)
    await stop.wait()
    loop.remove_reader(0)
