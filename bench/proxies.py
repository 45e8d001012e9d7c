"""Starts the measured proxies: none, nginx, a plain aiohttp proxy, or the gateway with all features on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import machine
from bench.calls import ALL
from gateway.redis import client as redis_client
from gateway.usage.consumer import read_your_writes

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 60.0
_STORE_TIMEOUT = 120.0
_FLUSH_INTERVAL = 0.1
_NGINX = Path(__file__).parent / "nginx.conf"
_NO_KEY = "sk-" + "0" * 49


class BenchError(Exception):
    """A process did not start, or a count was wrong; the message says which."""


class Proxy:
    """A running proxy."""

    key = _NO_KEY

    def __init__(self, name: str, port: int, processes: Mapping[str, int]) -> None:
        """`processes` are process ids by name, the first that of the proxy itself; each is measured separately."""
        self.name = name
        self.port = port
        self.processes = processes

    def wait_until_stored(self, calls: int) -> None:
        """Wait until the usage of this many calls is stored."""

    def verify_usage(self, calls: int, records: int) -> None:
        """Raise `BenchError` unless the usage history has exactly these calls and records."""


class Gateway(Proxy):
    """`mcp-gateway up` with one worker, embedded Valkey and chDB."""

    def __init__(self, ports: Mapping[str, int], processes: Mapping[str, int], printed: str, redis_url: str) -> None:
        super().__init__("gateway", ports["proxy"], processes)
        self._ports = ports
        self._redis_url = redis_url
        self.key = re.findall(r"sk-\w{49}", printed)[0]
        login = {name: re.findall(rf"{name} +(\S+)", printed)[0] for name in ("email", "password")}
        self._token = self._admin("/api/auth/login", login)["access_token"]

    def wait_until_stored(self, calls: int) -> None:
        """Wait until the usage writer has inserted the events; ask it to, as it would wait to fill a batch."""
        deadline = time.monotonic() + _STORE_TIMEOUT
        while self._inserted() < calls:
            if time.monotonic() > deadline:
                raise BenchError(f"{self._inserted()} of {calls} usage events were inserted")
            asyncio.run(_request_flush(self._redis_url))
            time.sleep(_FLUSH_INTERVAL)

    def verify_usage(self, calls: int, records: int) -> None:
        total = self._admin("/api/mcp-usage/history?page=1&page_size=1")["total"]
        totals = self._admin("/api/mcp-usage/stats?days=2")["totals"]
        if (total, totals["records"]) != (calls, records):
            raise BenchError(
                f"the usage history has {total} calls and {totals['records']} records; there were {calls} and {records}"
            )

    def _inserted(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports['metrics']}/metrics") as response:
            counts = re.findall(
                rb'^mcp_gateway_usage_events_total{step="inserted"} (\S+)', response.read(), re.MULTILINE
            )
        return int(float(counts[0])) if counts else 0

    def _admin(self, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self._ports['admin']}{path}"
        headers = {"Content-Type": "application/json"}
        if body is None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as response:
            return json.load(response)


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


def wait_until_listening(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process accepts connections."""
    _wait_until(lambda: _is_listening(port), running, log)


@contextlib.contextmanager
def upstream(folder: Path, core: int) -> Iterator[tuple[int, int]]:
    """Run the MCP server behind all proxies; yield its port and its process id."""
    port, log = free_port(), folder / "upstream.log"
    with process([folder / "upstream", port, folder, *(call.name for call in ALL)], core, log) as running:
        wait_until_listening(port, running, log)
        yield port, running.pid


@contextlib.contextmanager
def direct(upstream_port: int, upstream_pid: int) -> Iterator[Proxy]:
    """Yield the upstream itself, for measurements without a proxy."""
    yield Proxy("direct", upstream_port, {"upstream": upstream_pid})


@contextlib.contextmanager
def nginx(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[Proxy]:
    """Run nginx with one worker."""
    port, log = free_port(), folder / "nginx.log"
    configuration = folder / "nginx.conf"
    text = _NGINX.read_text().replace("LISTEN", str(port)).replace("UPSTREAM", str(upstream_port))
    configuration.write_text(text)
    command = ["nginx", "-e", log, "-p", folder, "-c", configuration]
    with process(command, cores[0], log) as running:
        wait_until_listening(port, running, log)
        (worker,) = machine.children(running.pid)
        yield Proxy("nginx", port, {"worker": worker})


@contextlib.contextmanager
def plain(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[Proxy]:
    """Run a plain aiohttp proxy."""
    port, log = free_port(), folder / "plain.log"
    with process([sys.executable, "-m", "bench.plain_proxy", port, upstream_port], cores[0], log) as running:
        wait_until_listening(port, running, log)
        yield Proxy("plain", port, {"worker": running.pid})


@contextlib.contextmanager
def gateway(
    folder: Path,
    upstream_port: int,
    cores: tuple[int, int],
    extra_environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Gateway]:
    """Run the gateway with all features on; only its worker runs on the proxy's core."""
    folder.mkdir()
    ports = {name: free_port() for name in ("proxy", "admin", "metrics")}
    log, output = folder / "gateway.log", folder / "gateway.out"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        **extra_environment,
        "GATEWAY_METRICS_PORT": str(ports["metrics"]),
    }
    command = [Path(sys.executable).parent / "mcp-gateway", "up", "--workers", "1"]
    command += ["--proxy-port", str(ports["proxy"]), "--admin-port", str(ports["admin"])]
    command += ["--upstream", f"http://127.0.0.1:{upstream_port}/mcp", "--data-dir", folder / "data"]
    with output.open("wb") as printed, process(command, cores[1], log, env=environment, stdout=printed) as running:
        _wait_until(lambda: output.read_text().endswith("\nready\n"), running, log)
        processes = _processes(running.pid)
        machine.pin(processes["worker"], cores[0])
        redis_url = json.loads((folder / "data" / "runtime.json").read_text())["redis_url"]
        yield Gateway(ports, processes, output.read_text(), redis_url)


def _processes(supervisor: int) -> dict[str, int]:
    marks = {"worker": "gateway.runtime.proxy_worker", "valkey": "valkey", "writer": "gateway.runtime.admin_process"}
    commands = {pid: machine.command_line(pid) for pid in machine.children(supervisor)}
    return {name: next(pid for pid, command in commands.items() if mark in command) for name, mark in marks.items()}


async def _request_flush(redis_url: str) -> None:
    redis = redis_client.connect(redis_url)
    try:
        await read_your_writes.request_flush(redis)
    finally:
        await redis.aclose()


def _is_listening(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _wait_until(condition: Callable[[], bool], running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if running.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{running.args!r} did not start:\n{log.read_text()}")
        time.sleep(0.02)
