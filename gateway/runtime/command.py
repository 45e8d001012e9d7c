"""The parts that `up`, `proxy` and `admin` share: signals, exit codes, and a supervisor with its metrics port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path

from gateway.observability import logs, metrics
from gateway.preflight.startup_checks import CannotStartError
from gateway.runtime.embedded import EngineUnavailableError
from gateway.runtime.supervision.scratch_folder import scratch_folder
from gateway.runtime.supervision.supervisor import StartError, Supervisor
from gateway.settings import Settings

log = logging.getLogger(__name__)

SHUTDOWN_GRACE = 5.0
"""Seconds between the end of a child's own drain time-out and SIGKILL."""


def run_command(settings: Settings, command: Callable[[Settings, asyncio.Event], Coroutine[None, None, None]]) -> int:
    """Run a command until it returns, and print why it cannot start. Returns the exit code.

    SIGINT and SIGTERM set the event that the command is called with.
    """
    # The data folder may be a volume that other users can read.
    os.umask(0o077)
    logs.configure(settings.log_level, settings.log_format)
    for warning in settings.warnings:
        log.warning("%s", warning)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await command(settings, stop)

    try:
        asyncio.run(run())
    except CannotStartError as error:
        for fault in error.faults:
            sys.stderr.write(f"mcp-gateway: {fault}\n")
        return 1
    except (StartError, EngineUnavailableError) as error:
        if str(error):
            sys.stderr.write(f"mcp-gateway: {error}\n")
        return 1
    return 0


def require_settings(command: str, **values: object) -> None:
    """Raise `CannotStartError` for each setting that is None; the keywords are the names of the settings."""
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise CannotStartError(
            f"mcp-gateway {command} needs GATEWAY_{name.upper()}; only mcp-gateway up embeds what is not configured"
            for name in missing
        )


@contextlib.asynccontextmanager
async def supervised(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Supervisor]:
    """Provide a supervisor and serve the metrics of its children; on exit, stop all children.

    SIGHUP makes the children reload their metering rules. If the terminal that the command was started from is gone,
    it sets `stop` instead.
    """
    with scratch_folder(settings.data_dir) as folder:
        supervisor = Supervisor(
            {"PROMETHEUS_MULTIPROC_DIR": str(folder), "TMPDIR": str(folder)},
            on_exit=partial(metrics.forget_process, directory=folder),
        )
        had_terminal = _has_terminal()

        def on_hangup() -> None:
            if had_terminal and not _has_terminal():
                stop.set()
            else:
                supervisor.reload()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
        with _metrics_server(settings, folder):
            try:
                yield supervisor
            finally:
                await supervisor.stop()


@contextlib.contextmanager
def _metrics_server(settings: Settings, folder: Path) -> Iterator[None]:
    """Serve the metrics in a folder, unless that is disabled."""
    if not settings.metrics_port:
        yield
        return
    stop = metrics.serve_metrics(settings.metrics_host, settings.metrics_port, folder)
    try:
        yield
    finally:
        stop()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
