"""Starts child processes in order, restarts them with back-off, and stops them in reverse order.

- `start` returns when the child is ready, and raises `StartError` if it ends or does not become ready in time. The
  caller then stops everything, so that nothing is left half started.
- A child that ends later is restarted, after 0.2 s at first and after 10 s at most; the delay is reset once a child
  has run for 30 s. Each end and each restart is logged.
- `stop` ends the children in reverse order, replicas of one command concurrently: SIGTERM first, then SIGKILL after
  `Child.stop_timeout`.
- A child cannot outlive the supervisor: on Linux the kernel kills it, on other systems it sees the end of its standard
  input.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import groupby

import msgspec

log = logging.getLogger(__name__)

_MIN_RESTART_DELAY = 0.2
_MAX_RESTART_DELAY = 10.0
_DELAY_RESET_AFTER = 30.0
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StartError(Exception):
    """A child did not start. The message is empty if the child has printed the reason itself."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A command to run and how to supervise it."""

    name: str
    command: Sequence[str]
    stdin: bytes = b""
    pass_fds: Sequence[int] = ()
    """File descriptors that each process inherits, such as a listening socket that survives restarts."""
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """Polled until it returns True; if None, the child's first line of output means that it is ready."""
    start_timeout: float = 30.0
    """Seconds until it must be ready."""
    stop_timeout: float = 30.0
    """Seconds between SIGTERM and SIGKILL."""
    reloads: bool = False
    """True if the child handles SIGHUP."""


class Supervisor:
    """The child processes of one command."""

    def __init__(self, environment: Mapping[str, str], on_exit: Callable[[int], None]) -> None:
        """Add `environment` to that of each child; call `on_exit` with the process id of each child that ended."""
        self._environment = environment
        self._on_exit = on_exit
        self._children: list[tuple[Child, asyncio.Task[None]]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, child: Child) -> str:
        """Start a child, wait until it is ready, and restart it from then on. Returns its ready line."""
        process = await self._spawn(child)
        try:
            line = await asyncio.wait_for(self._wait_until_ready(child, process), child.start_timeout)
        except TimeoutError:
            await _terminate(child, process)
            raise StartError(f"{child.name} did not become ready within {child.start_timeout:.0f} s") from None
        except BaseException:
            await _terminate(child, process)
            raise
        self._children.append((child, asyncio.get_running_loop().create_task(self._watch(child, process))))
        return line

    async def start_all(self, children: Sequence[Child]) -> None:
        """Start independent children concurrently. Raises the first `StartError`."""
        outcomes = await asyncio.gather(*map(self.start, children), return_exceptions=True)
        # Children become ready in any order; `stop` needs the order of the arguments.
        self._children.sort(key=lambda started: children.index(started[0]) if started[0] in children else -1)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def stop(self) -> None:
        """Stop all children in reverse order and wait for their end.

        Replicas stop concurrently, so that none receives the connections that another one no longer accepts.
        """
        for _, replicas in groupby(reversed(self._children), key=lambda started: started[0].command):
            await asyncio.gather(*(self._stop_child(child, task) for child, task in replicas))
        self._children.clear()

    def reload(self) -> None:
        """Send SIGHUP to the children that handle it. A child that is starting reads the current files anyway."""
        for child, _ in self._children:
            process = self._processes[child.name]
            if child.reloads and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)

    async def _stop_child(self, child: Child, watch: asyncio.Task[None]) -> None:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        # The watch may have restarted the child just before it was cancelled.
        process = self._processes.get(child.name)
        if process is not None and process.returncode is None:
            await _terminate(child, process)

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=child.pass_fds,
            env={**_inherited_environment(os.environ), **self._environment},
            # A new session, so that Ctrl-C reaches the supervisor alone, which stops its children in order.
            start_new_session=True,
            preexec_fn=partial(_prepare_child, os.getpid()),
        )
        self._processes[child.name] = process
        assert process.stdin is not None
        if child.stdin:
            process.stdin.write(child.stdin + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
        return process

    async def _wait_until_ready(self, child: Child, process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        if child.is_ready is None:
            line = await process.stdout.readline()
            if not line:
                code = await process.wait()
                raise StartError(
                    "" if code == 1 else f"{child.name} ended with {_describe_exit(code)} before it was ready"
                )
            return line.decode(errors="replace").strip()
        while not await child.is_ready():
            if process.returncode is not None:
                raise StartError(f"{child.name} ended with {_describe_exit(process.returncode)} before it was ready")
            await asyncio.sleep(0.02)
        return ""

    async def _watch(self, child: Child, process: asyncio.subprocess.Process) -> None:
        delay = _MIN_RESTART_DELAY
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await _discard_output(process)
            self._on_exit(process.pid)
            if loop.time() - started > _DELAY_RESET_AFTER:
                delay = _MIN_RESTART_DELAY
            log.error(
                "%s ended with %s; it is restarted in %.1f s",
                child.name,
                _describe_exit(process.returncode),
                delay,
            )
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_RESTART_DELAY)
            process = await self._spawn(child)
            log.warning("%s was restarted (process %d)", child.name, process.pid)


async def _discard_output(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process and discard its output, so that its pipe never fills."""
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass
    await process.wait()


async def _terminate(child: Child, process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(_discard_output(process), child.stop_timeout)
    except TimeoutError:
        log.error("%s did not end within %.0f s and was killed", child.name, child.stop_timeout)
        process.kill()
        await process.wait()


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _prepare_child(supervisor_pid: int) -> None:
    # SIGHUP would end a child that has not installed its handler yet.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor_pid:
            os._exit(1)


def _inherited_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the gateway's settings, which may be secrets: a child gets them over its standard input alone."""
    return {name: value for name, value in environment.items() if not name.upper().startswith("GATEWAY_")}
