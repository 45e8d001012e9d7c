"""Child processes: started in order, watched, restarted with back-off, and ended in the opposite order.

The rules:

- `start` returns when the child has said that it is ready, and raises `StartError` where it does not; then whoever
  called takes everything down, so that nothing is left half started.
- A child that dies later is started again, after 0.2 s at first and 10 s at most; the pause is short again once a child
  has lived for 30 s. Each death and start is one line of the log.
- `stop` ends the children in the opposite order, replicas of one command side by side, with SIGTERM first, and with
  SIGKILL those that outlive their time.
- A child cannot outlive the supervisor: on Linux the kernel kills it, elsewhere the end of its standard input tells it.
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

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_HEALTHY_AFTER = 30.0
_START_TIMEOUT = 30.0
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class StartError(Exception):
    """A child did not come up; the message says which. It is empty where the child has already said why."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """What to run."""

    name: str
    command: Sequence[str]
    stdin: bytes = b""
    pass_fds: Sequence[int] = ()
    """Open files that each of its processes gets, such as a listening socket that outlives them."""
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """Asked until it says yes; without it, the child's first line of output says that it is ready."""
    stop_timeout: float = 30.0
    """Seconds between SIGTERM and SIGKILL."""
    reloads: bool = False
    """Whether it reads something again on SIGHUP."""


class Supervisor:
    """The children of one command."""

    def __init__(self, environment: Mapping[str, str], on_exit: Callable[[int], None]) -> None:
        """`environment` is added to each child's; `on_exit` is told the process id of each that ended."""
        self._environment = environment
        self._on_exit = on_exit
        self._children: list[tuple[Child, asyncio.Task[None]]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, child: Child) -> str:
        """Start a child and watch over it from now on; returns the line that it said it was ready with."""
        process = await self._spawn(child)
        try:
            line = await asyncio.wait_for(self._until_ready(child, process), _START_TIMEOUT)
        except TimeoutError:
            await _end(child, process)
            raise StartError(f"{child.name} did not become ready within {_START_TIMEOUT:.0f} s") from None
        except BaseException:
            await _end(child, process)
            raise
        self._children.append((child, asyncio.get_running_loop().create_task(self._watch(child, process))))
        return line

    async def start_all(self, children: Sequence[Child]) -> None:
        """Start children that do not need one another side by side. Raises the first `StartError`."""
        outcomes = await asyncio.gather(*map(self.start, children), return_exceptions=True)
        # They became ready in any order; they end in the opposite of the one they were named in.
        self._children.sort(key=lambda started: children.index(started[0]) if started[0] in children else -1)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def stop(self) -> None:
        """End every child, the youngest first, and return when none is left.

        Neighbours of one command are replicas and end side by side: none shall take what the others no longer do.
        """
        for _, replicas in groupby(reversed(self._children), key=lambda started: started[0].command):
            await asyncio.gather(*(self._stop(child, task) for child, task in replicas))
        self._children.clear()

    def reload(self) -> None:
        """Tell the children that have something to read again; one that is just starting reads it anyway."""
        for child, _ in self._children:
            process = self._processes[child.name]
            if child.reloads and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGHUP)

    async def _stop(self, child: Child, watch: asyncio.Task[None]) -> None:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        # Looked up now: the watch may just have started the child again.
        process = self._processes.get(child.name)
        if process is not None and process.returncode is None:
            await _end(child, process)

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=child.pass_fds,
            env={**_without_settings(os.environ), **self._environment},
            # Ctrl-C is for the supervisor, which ends its children in order.
            start_new_session=True,
            preexec_fn=partial(_die_with, os.getpid()),
        )
        self._processes[child.name] = process
        assert process.stdin is not None
        if child.stdin:
            process.stdin.write(child.stdin + b"\n")
            with contextlib.suppress(ConnectionError):
                await process.stdin.drain()
        return process

    async def _until_ready(self, child: Child, process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        if child.is_ready is None:
            line = await process.stdout.readline()
            if not line:
                code = await process.wait()
                raise StartError("" if code == 1 else f"{child.name} ended with {_ending(code)} before it was ready")
            return line.decode(errors="replace").strip()
        while not await child.is_ready():
            if process.returncode is not None:
                raise StartError(f"{child.name} ended with {_ending(process.returncode)} before it was ready")
            await asyncio.sleep(0.02)
        return ""

    async def _watch(self, child: Child, process: asyncio.subprocess.Process) -> None:
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await _wait(process)
            self._on_exit(process.pid)
            if loop.time() - started > _HEALTHY_AFTER:
                pause = _FIRST_PAUSE
            log.error(
                "%s ended with %s; it is started again in %.1f s",
                child.name,
                _ending(process.returncode),
                pause,
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            process = await self._spawn(child)
            log.warning("%s was started again (process %d)", child.name, process.pid)


async def _wait(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process, taking in what it still writes so that its pipe never fills."""
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass
    await process.wait()


async def _end(child: Child, process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(_wait(process), child.stop_timeout)
    except TimeoutError:
        log.error("%s did not end within %.0f s and was killed", child.name, child.stop_timeout)
        process.kill()
        await process.wait()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _die_with(parent: int) -> None:
    # Until a child is ready for it; it is sent to those that are to read something again.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings, and the secrets among them, reach a child by its standard input or not at all."""
    return {name: value for name, value in environment.items() if not name.upper().startswith("GATEWAY_")}
