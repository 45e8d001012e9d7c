"""One gateway's engines and admin process, and a proxy before each server that a test asks for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.kinds import NODE_FOLDER
from tests.clients.upstreams import started
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages, installed
from tests.support.production import Production, login, production_engines
from tests.support.running_up import Running


@pytest.fixture(scope="session")
def packages() -> NodePackages:
    """Node, with the clients and the server that npm has."""
    return installed("clients", NODE_FOLDER)


@pytest.fixture(scope="package")
def production() -> Iterator[Production]:
    """The engines; each proxy is told its upstream."""
    # Not pytest's folder: a unix socket's path must stay under 108 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="clients-") as folder,
        production_engines(Path(folder), "http://127.0.0.1:9/mcp") as engines,
    ):
        yield engines


@pytest.fixture(scope="package")
def admin(production: Production) -> Iterator[AdminClient]:
    """The first admin, logged in."""
    with production.admin() as running:
        yield login(running)


@pytest.fixture(scope="package")
def url_of(packages: NodePackages) -> Iterator[Callable[[str], str]]:
    """Gives a server's URL, by the server's name; it is started when it is first asked for."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}

        def started_url(name: str) -> str:
            if name not in urls:
                urls[name] = stack.enter_context(started(name, packages))
            return urls[name]

        yield started_url


@pytest.fixture(scope="package")
def gateway_of(
    production: Production, admin: AdminClient, url_of: Callable[[str], str]
) -> Iterator[Callable[[str], Running]]:
    """Gives the gateway before a server, by the server's name; it is started when it is first asked for."""
    with ExitStack() as stack:
        proxies: dict[str, Running] = {}

        def proxy_of(name: str) -> Running:
            if name not in proxies:
                proxies[name] = stack.enter_context(production.proxy(GATEWAY_UPSTREAM_URL=url_of(name)))
            return proxies[name]

        yield proxy_of
