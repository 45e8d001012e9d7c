"""A Cluster of three Valkeys without replicas."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from gateway.runtime.embedded import find_valkey
from tests.support.ports import free_port

_SLOTS = 16_384
_NODES = 3
_START_TIMEOUT = 20


class ValkeyCluster:
    """The ports of the nodes, each of which holds a third of the slots."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def names(self) -> list[set[bytes]]:
        """Return the names of the stored keys, by node."""
        found = []
        for port in self.ports:
            with redis.Redis(port=port) as node:
                found.append(set(node.keys()))
        return found


@contextlib.contextmanager
def running_cluster() -> Iterator[ValkeyCluster]:
    """Run a Cluster on free ports."""
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder, contextlib.ExitStack() as stack:
        ports, bus_ports = ([free_port() for _ in range(_NODES)] for _ in range(2))
        for port, bus_port in zip(ports, bus_ports, strict=True):
            files = Path(folder) / str(port)
            files.mkdir()
            command = [find_valkey(), "--port", str(port), "--dir", str(files), "--save", "", "--loglevel", "warning"]
            command += ["--cluster-enabled", "yes", "--cluster-port", str(bus_port), "--cluster-node-timeout", "2000"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        _join(nodes, ports, bus_ports)
        yield ValkeyCluster(ports)


def _join(nodes: list[Any], ports: list[int], bus_ports: list[int]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    for number, node in enumerate(nodes):
        _until(deadline, node.ping)
        first, end = (_SLOTS * each // _NODES for each in (number, number + 1))
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for node in nodes:
        for port, bus_port in zip(ports, bus_ports, strict=True):
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus_port)
    for node in nodes:
        _until(deadline, lambda: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO"))  # noqa: B023


def _until(deadline: float, condition: Callable[[], object]) -> None:
    while True:
        with contextlib.suppress(redis.ConnectionError):
            if condition():
                return
        assert time.monotonic() < deadline, "the Cluster did not start"
        time.sleep(0.01)
