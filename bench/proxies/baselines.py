"""The upstream, and the proxies that the gateway is compared with: none, nginx, a bare and a plain Python proxy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import machine
from bench.calls import ALL
from bench.proxies.processes import free_port, process, wait_until_listening
from bench.proxies.proxy import Proxy

_NGINX = Path(__file__).parent / "nginx.conf"


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
def nginx(folder: Path, upstream_port: int, core: int) -> Iterator[Proxy]:
    """Run nginx with one worker."""
    port, log = free_port(), folder / "nginx.log"
    configuration = folder / "nginx.conf"
    text = _NGINX.read_text().replace("LISTEN", str(port)).replace("UPSTREAM", str(upstream_port))
    configuration.write_text(text)
    command = ["nginx", "-e", log, "-p", folder, "-c", configuration]
    with process(command, core, log) as running:
        wait_until_listening(port, running, log)
        (worker,) = machine.children(running.pid)
        yield Proxy("nginx", port, {"worker": worker})


@contextlib.contextmanager
def python_proxy(name: str, folder: Path, upstream_port: int, core: int) -> Iterator[Proxy]:
    """Run one of the Python proxies, `bare` or `plain`."""
    port, log = free_port(), folder / f"{name}.log"
    command = [sys.executable, "-m", f"bench.proxies.{name}_proxy", port, upstream_port]
    with process(command, core, log) as running:
        wait_until_listening(port, running, log)
        yield Proxy(name, port, {"worker": running.pid})
