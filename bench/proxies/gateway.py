"""Starts the gateway with all features on, and creates its keys."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from bench import machine
from bench.calls import TABLE
from bench.proxies.processes import free_port, process, wait_until
from bench.proxies.proxy import Proxy
from bench.proxies.usage_history import AdminClient, UsageHistory

_NEVER_REACHED = 1_000_000_000
_LIMITS = ("rate_limit_per_minute", "calls_per_day", "records_per_day", "max_concurrent")
RESTRICTED_KEYS: Mapping[str, Mapping[str, object]] = {
    "limited-key": dict.fromkeys(_LIMITS, _NEVER_REACHED),
    "scoped-key": {"allowed_tools": ["1kb-*"], "allowed_tables": [TABLE], "allowed_ips": ["127.0.0.0/8"]},
}
"""Limits that no run reaches, and scopes that allow the calls of 1 KB."""
FAST_PATH_OFF: Mapping[str, str] = {"GATEWAY_FAST_PATH": "false"}
"""Environment variables of a gateway that serves every call on the general path."""


class Gateway(Proxy):
    """`mcp-gateway up` with one worker, embedded Valkey and chDB, called with the key of its first start."""

    def __init__(
        self, name: str, ports: Mapping[str, int], processes: Mapping[str, int], printed: str, redis_url: str
    ) -> None:
        login = {field: re.findall(rf"{field} +(\S+)", printed)[0] for field in ("email", "password")}
        self._admin = AdminClient(ports["admin"], login)
        usage = UsageHistory(self._admin, ports["metrics"], redis_url)
        super().__init__(name, ports["proxy"], processes, key=re.findall(r"sk-\w{49}", printed)[0], usage=usage)

    def with_new_key(self, name: str, restrictions: Mapping[str, object]) -> Proxy:
        """Return the same gateway, called with a new key."""
        key = self._admin.post("/api/mcp-keys/create", {"key_name": name, **restrictions})["api_key"]
        return Proxy(name, self.port, self.processes, key=key, usage=self.usage)


@contextlib.contextmanager
def gateway(
    folder: Path,
    upstream_port: int,
    cores: tuple[int, int],
    extra_environment: Mapping[str, str] = MappingProxyType({}),
    name: str = "gateway",
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
        wait_until(lambda: output.read_text().endswith("\nready\n"), running, log)
        processes = _processes(running.pid)
        machine.pin(processes["worker"], cores[0])
        redis_url = json.loads((folder / "data" / "runtime.json").read_text())["redis_url"]
        yield Gateway(name, ports, processes, output.read_text(), redis_url)


def _processes(supervisor: int) -> dict[str, int]:
    marks = {"worker": "gateway.runtime.proxy_worker", "valkey": "valkey", "writer": "gateway.runtime.admin_process"}
    commands = {pid: machine.command_line(pid) for pid in machine.children(supervisor)}
    return {name: next(pid for pid, command in commands.items() if mark in command) for name, mark in marks.items()}
