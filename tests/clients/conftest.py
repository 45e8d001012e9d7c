"""Fixtures: shared engines and admin process, and a server with a proxy in front of it for each name in use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.clients.programs import NODE_FOLDER
from tests.clients.upstreams import started
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages, installed
from tests.support.production import Production, login, production_engines
from tests.support.running_up import Running


@pytest.fixture(scope="session")
def packages() -> NodePackages:
    """Node, with the clients and the server from npm."""
    return installed("clients", NODE_FOLDER)


@pytest.fixture(scope="package")
def production() -> Iterator[Production]:
    """The engines; each proxy is started with its upstream."""
    # Not pytest's folder, because the path of a unix socket must be shorter than 108 bytes.
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
    """A function that returns the URL of a server by its name, and starts the server on the first call."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}

        def started_url(name: str) -> str:
            if name not in urls:
                urls[name] = stack.enter_context(started(name, packages))
            return urls[name]

        yield started_url


class GatewayOf(Protocol):
    """Returns the gateway in front of a server by its name, and starts it on the first call."""

    def __call__(self, name: str, *, has_fast_path: bool = True) -> Running: ...


@pytest.fixture(scope="package")
def gateway_of(production: Production, admin: AdminClient, url_of: Callable[[str], str]) -> Iterator[GatewayOf]:
    with ExitStack() as stack:
        proxies: dict[tuple[str, bool], Running] = {}

        def proxy_of(name: str, *, has_fast_path: bool = True) -> Running:
            if (name, has_fast_path) not in proxies:
                settings = {} if has_fast_path else {"GATEWAY_FAST_PATH": "false"}
                proxy = production.proxy(GATEWAY_UPSTREAM_URL=url_of(name), **settings)
                proxies[name, has_fast_path] = stack.enter_context(proxy)
            return proxies[name, has_fast_path]

        yield proxy_of
