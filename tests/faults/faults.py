"""Faults: processes of a running `mcp-gateway up` are killed, or stopped for some time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.running_up import Running, processes_under

Fault = Callable[["Gateway"], Awaitable[None]]

_PROGRAMS = {
    "worker": "gateway.runtime.proxy_worker",
    "admin": "gateway.runtime.admin_process",
    "valkey": "valkey-server",
}


class Gateway:
    """A gateway that is started again on the same data after all of its processes were killed."""

    def __init__(self, data_dir: Path, upstream_url: str, chance: random.Random) -> None:
        self.chance = chance
        self._data_dir = data_dir
        self._upstream_url = upstream_url
        self.running = self._start({})

    def _start(self, environment: dict[str, str]) -> Running:
        # One more worker than is killed at a time, so that calls continue.
        settings: dict[str, Any] = {"GATEWAY_WORKERS": "3", "GATEWAY_DRAIN_TIMEOUT": "5", **environment}
        return Running("up", "--upstream", self._upstream_url, data_dir=self._data_dir, **settings)

    def processes(self, name: str) -> list[int]:
        """Return the process ids of the workers, the admin process or Valkey."""
        found = []
        for pid in processes_under(self.running.process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                if _PROGRAMS[name] in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found

    def signal(self, name: str, number: signal.Signals) -> list[int]:
        """Signal one process of the name, if there is one. Return its process id."""
        pids = self.processes(name)
        chosen = [self.chance.choice(pids)] if pids else []
        send(chosen, number)
        return chosen

    async def kill_everything(self) -> None:
        """Kill the supervisor and all its children, and start again on the same ports."""
        ports = {name: self.running.environment[name] for name in ("GATEWAY_PROXY_PORT", "GATEWAY_ADMIN_PORT")}
        send([*processes_under(self.running.process.pid), self.running.process.pid], signal.SIGKILL)
        await asyncio.to_thread(self.running.wait)
        self.running = self._start(ports)
        self.running.proxy_port = int(ports["GATEWAY_PROXY_PORT"])
        self.running.admin_port = int(ports["GATEWAY_ADMIN_PORT"])
        await asyncio.to_thread(self.running.until_ready)


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def killed(*names: str) -> Fault:
    """Return a fault that kills one process of each name, at the same time."""

    async def fault(gateway: Gateway) -> None:
        for name in names:
            gateway.signal(name, signal.SIGKILL)

    fault.__name__ = f"{' and '.join(names)} killed"
    return fault


def stopped(name: str, seconds: float) -> Fault:
    """Return a fault that suspends a process for up to `seconds`, then resumes it."""

    async def fault(gateway: Gateway) -> None:
        pids = gateway.signal(name, signal.SIGSTOP)
        await asyncio.sleep(gateway.chance.uniform(seconds / 3, seconds))
        send(pids, signal.SIGCONT)

    fault.__name__ = f"{name} stopped"
    return fault


def killed_while_stopped(killed_name: str, stopped_name: str) -> Fault:
    """Return a fault that kills one process while another is suspended."""

    async def fault(gateway: Gateway) -> None:
        pids = gateway.signal(stopped_name, signal.SIGSTOP)
        await asyncio.sleep(gateway.chance.uniform(0.1, 3.0))
        gateway.signal(killed_name, signal.SIGKILL)
        await asyncio.sleep(0.5)
        send(pids, signal.SIGCONT)

    fault.__name__ = f"{killed_name} killed while {stopped_name} is stopped"
    return fault


FAULTS: tuple[Fault, ...] = (
    killed("worker"),
    killed("admin"),
    killed("valkey"),
    killed("worker", "valkey"),
    killed("admin", "valkey"),
    killed("worker", "admin", "valkey"),
    killed_while_stopped("worker", "valkey"),
    killed_while_stopped("valkey", "admin"),
    stopped("worker", 3.0),
    stopped("admin", 7.0),
    stopped("valkey", 4.0),
    Gateway.kill_everything,
)
