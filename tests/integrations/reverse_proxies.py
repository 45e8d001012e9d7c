"""nginx, HAProxy and Caddy in front of a gateway, with the configurations of the documentation.

A configuration is used as it is documented, apart from ports and paths of files.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bench.system_packages import find
from tests.support.certificates import make_certificate
from tests.support.ports import free_port
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs/how-to/behind-a-proxy.md"
HOST = "mcp.example.com"
CLIENT_ADDRESS = "127.0.0.2"
"""Source address of requests; the proxies connect to the gateway from 127.0.0.1."""
GATEWAY_SETTINGS = {"allowed_hosts": (HOST,), "trusted_proxies": ("127.0.0.1/32",)}

_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {}
}}
"""
_CADDY = """
{{
    admin off
    auto_https disable_redirects
}}
{}
"""


class ReverseProxy(NamedTuple):
    """A running reverse proxy with TLS."""

    port: int
    certificate: Path

    def url(self, path: str = "/mcp") -> str:
        """Return the URL under its public name."""
        return f"https://{HOST}:{self.port}{path}"

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Provide a client that trusts its certificate and finds it under its public name."""
        connector = aiohttp.TCPConnector(
            resolver=_Loopback(),
            ssl=ssl.create_default_context(cafile=str(self.certificate)),
            local_addr=(CLIENT_ADDRESS, 0),
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session


class _Loopback(AbstractResolver):
    """Resolves every name to 127.0.0.1."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        pass


def documented(heading: str) -> str:
    """Return the configuration under a heading of the documentation."""
    section = re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    block = re.search(r"^```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert block is not None, f"{heading} has no configuration"
    return block[1]


@contextlib.contextmanager
def running_proxy(
    program: str, configuration: str, gateway_port: int, folder: Path, changes: Mapping[str, str] | None = None
) -> Iterator[ReverseProxy]:
    """Run a reverse proxy with a configuration; `changes` are replacements in it. Skips the test if it is missing."""
    executable = find(program)
    if executable is None:
        pytest.skip(f"{program} is missing")
    port = free_port()
    certificate, _ = make_certificate(folder, HOST)
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + (folder / "key.pem").read_bytes())
    replacements = {
        "listen 443": f"listen 127.0.0.1:{port}",
        "bind :443": f"bind 127.0.0.1:{port}",
        f"{HOST} {{": f"{HOST}:{port} {{\n    tls {certificate} {folder / 'key.pem'}\n    bind 127.0.0.1",
        f"/etc/ssl/{HOST}.pem": str(both),
        f"/etc/ssl/{HOST}.key": str(folder / "key.pem"),
        "127.0.0.1:8001": f"127.0.0.1:{gateway_port}",
        "10.0.0.8:8001": f"127.0.0.1:{gateway_port}",
        "10.0.0.9:8001": f"127.0.0.1:{gateway_port}",
        **(changes or {}),
    }
    for old, new in replacements.items():
        assert old not in (changes or {}) or old in configuration, f"{old!r} is not in the configuration"
        configuration = configuration.replace(old, new)
    command = _command(program, executable, configuration, folder)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    log = folder / "log"
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: process.poll() is not None or _is_listening(port))
            assert process.poll() is None, log.read_text()
            yield ReverseProxy(port, certificate)
        finally:
            process.kill()


def _command(program: str, executable: str, configuration: str, folder: Path) -> list[str]:
    file = folder / f"{program}.conf"
    match program:
        case "nginx":
            file.write_text(_NGINX.format(configuration))
            return [executable, "-e", "stderr", "-p", str(folder), "-c", str(file)]
        case "haproxy":
            file.write_text(configuration)
            return [executable, "-db", "-f", str(file)]
        case _:
            file.write_text(_CADDY.format(configuration))
            return [executable, "run", "--config", str(file), "--adapter", "caddyfile"]


def _is_listening(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
