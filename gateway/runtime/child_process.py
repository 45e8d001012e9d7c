"""How a supervised process gets its settings and tells that it is ready.

A child reads one line from its standard input, its settings as JSON, so that no secret stands in an environment or on a
command line. The pipe stays open: its end means that the supervisor is gone. The first line of a child's standard
output says that it is ready; its log goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any


def read_settings_line() -> bytes:
    """The line of settings. Ends the process with a message where a person started it by hand."""
    if sys.stdin.isatty():
        sys.exit("This module is started by mcp-gateway, which writes the settings to its standard input.")
    # Unbuffered: what follows the line must stay in the pipe, for the event loop to see its end.
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return bytes(line)


def announce_ready(line: str) -> None:
    """Tell the supervisor that this process serves."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def on_reload(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` on each SIGHUP, one after the other; a supervisor sends none before this process is ready."""
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()
    lock = asyncio.Lock()

    async def in_turn() -> None:
        async with lock:
            await work()

    def begin() -> None:
        task = loop.create_task(in_turn())
        running.add(task)
        task.add_done_callback(running.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)


async def wait_for_the_end() -> None:
    """Return on SIGTERM, on SIGINT, and when the supervisor is gone."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)

    def at_end_of_input() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            over.set()

    loop.add_reader(0, at_end_of_input)
    await over.wait()
    loop.remove_reader(0)
