"""What stands between load and upstream: nothing, nginx, a plain aiohttp proxy, or the gateway with everything on."""

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

_STARTS_WITHIN = 30.0
_ENDS_WITHIN = 60.0
_SETTLES_WITHIN = 120.0
_ASK_SECONDS = 0.1
_NGINX = Path(__file__).parent / "nginx.conf"
_NO_KEY = "sk-" + "0" * 49


class BenchError(Exception):
    """Something did not start, or a count was wrong; the message says what."""


class Proxy:
    """A running proxy."""

    key = _NO_KEY

    def __init__(self, name: str, port: int, parts: Mapping[str, int]) -> None:
        """`parts` are processes whose CPU time is told apart; the first one is the proxy itself."""
        self.name = name
        self.port = port
        self.parts = parts

    def settle(self, calls: int) -> None:
        """Wait until what these calls brought about is done."""

    def verify(self, calls: int, records: int) -> None:
        """Raise `BenchError` unless all the calls since the start are in the usage history."""


class Gateway(Proxy):
    """`mcp-gateway up` with one worker, embedded Valkey and chDB."""

    def __init__(self, ports: Mapping[str, int], parts: Mapping[str, int], printed: str, redis_url: str) -> None:
        super().__init__("gateway", ports["proxy"], parts)
        self._ports = ports
        self._redis_url = redis_url
        self.key = re.findall(r"sk-\w{49}", printed)[0]
        login = {name: re.findall(rf"{name} +(\S+)", printed)[0] for name in ("email", "password")}
        self._token = self._admin("/api/auth/login", login)["access_token"]

    def settle(self, calls: int) -> None:
        """Wait until the writer has inserted them; it is asked to, or it would gather more for some seconds."""
        deadline = time.monotonic() + _SETTLES_WITHIN
        while self._inserted() < calls:
            if time.monotonic() > deadline:
                raise BenchError(f"{self._inserted()} of {calls} usage events were inserted")
            asyncio.run(_ask(self._redis_url))
            time.sleep(_ASK_SECONDS)

    def verify(self, calls: int, records: int) -> None:
        total = self._admin("/api/mcp-usage/history?page=1&page_size=1")["total"]
        totals = self._admin("/api/mcp-usage/stats?days=2")["totals"]
        if (total, totals["records"]) != (calls, records):
            raise BenchError(
                f"the usage history has {total} calls and {totals['records']} records; there were {calls} and {records}"
            )

    def _inserted(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports['metrics']}/metrics") as answer:
            counts = re.findall(rb'^mcp_gateway_usage_events_total{step="inserted"} (\S+)', answer.read(), re.MULTILINE)
        return int(float(counts[0])) if counts else 0

    def _admin(self, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self._ports['admin']}{path}"
        headers = {"Content-Type": "application/json"}
        if body is None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
            return json.load(answer)


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: Sequence[object], core: int, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process on a core, with its children, that is ended on leaving."""
    with log.open("wb") as errors:
        started = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *map(str, command)], stderr=errors, stdin=subprocess.DEVNULL, **options
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def until_listening(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process takes connections."""
    _until(lambda: _is_listening(port), running, log)


@contextlib.contextmanager
def upstream(folder: Path, core: int) -> Iterator[tuple[int, int]]:
    """The MCP server behind all of them: its port and its process id."""
    port, log = free_port(), folder / "upstream.log"
    with process([folder / "upstream", port, folder, *(call.name for call in ALL)], core, log) as running:
        until_listening(port, running, log)
        yield port, running.pid


@contextlib.contextmanager
def direct(upstream_port: int, upstream_pid: int) -> Iterator[Proxy]:
    """No proxy."""
    yield Proxy("direct", upstream_port, {"upstream": upstream_pid})


@contextlib.contextmanager
def nginx(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[Proxy]:
    """nginx with one worker."""
    port, log = free_port(), folder / "nginx.log"
    configuration = folder / "nginx.conf"
    text = _NGINX.read_text().replace("LISTEN", str(port)).replace("UPSTREAM", str(upstream_port))
    configuration.write_text(text)
    command = ["nginx", "-e", log, "-p", folder, "-c", configuration]
    with process(command, cores[0], log) as running:
        until_listening(port, running, log)
        (worker,) = machine.children(running.pid)
        yield Proxy("nginx", port, {"worker": worker})


@contextlib.contextmanager
def plain(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[Proxy]:
    """A plain aiohttp proxy."""
    port, log = free_port(), folder / "plain.log"
    with process([sys.executable, "-m", "bench.plain_proxy", port, upstream_port], cores[0], log) as running:
        until_listening(port, running, log)
        yield Proxy("plain", port, {"worker": running.pid})


@contextlib.contextmanager
def gateway(
    folder: Path, upstream_port: int, cores: tuple[int, int], more_environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Gateway]:
    """The gateway with everything on; its worker alone is on the proxy's core."""
    folder.mkdir()
    ports = {name: free_port() for name in ("proxy", "admin", "metrics")}
    log, output = folder / "gateway.log", folder / "gateway.out"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        **more_environment,
        "GATEWAY_METRICS_PORT": str(ports["metrics"]),
    }
    command = [Path(sys.executable).parent / "mcp-gateway", "up", "--workers", "1"]
    command += ["--proxy-port", str(ports["proxy"]), "--admin-port", str(ports["admin"])]
    command += ["--upstream", f"http://127.0.0.1:{upstream_port}/mcp", "--data-dir", folder / "data"]
    with output.open("wb") as printed, process(command, cores[1], log, env=environment, stdout=printed) as running:
        _until(lambda: output.read_text().endswith("\nready\n"), running, log)
        parts = _parts(running.pid)
        machine.pin(parts["worker"], cores[0])
        redis_url = json.loads((folder / "data" / "runtime.json").read_text())["redis_url"]
        yield Gateway(ports, parts, output.read_text(), redis_url)


def _parts(supervisor: int) -> dict[str, int]:
    marks = {"worker": "gateway.runtime.proxy_worker", "valkey": "valkey", "writer": "gateway.runtime.admin_process"}
    commands = {pid: machine.command_line(pid) for pid in machine.children(supervisor)}
    return {part: next(pid for pid, command in commands.items() if mark in command) for part, mark in marks.items()}


async def _ask(redis_url: str) -> None:
    redis = redis_client.connect(redis_url)
    try:
        await read_your_writes.request_flush(redis)
    finally:
        await redis.aclose()


def _is_listening(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _until(is_so: Callable[[], bool], running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while not is_so():
        if running.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{running.args!r} did not start:\n{log.read_text()}")
        time.sleep(0.02)
