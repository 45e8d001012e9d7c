"""Fixtures: running gateways that tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.admin_client import AdminClient
from tests.support.clean_run import clean_run
from tests.support.mcp_servers import DEMO, McpServer, running_mcp_server
from tests.support.production import Production, login, production_engines
from tests.support.running_up import Running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`mcp-gateway up` in front of the demo server."""
    with clean_run("up", data_dir=tmp_path_factory.mktemp("demo") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def demo_admin(demo: Running) -> AdminClient:
    """The first admin of `demo`."""
    return AdminClient(demo)


@pytest.fixture(scope="module")
def demo_without_fast_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`mcp-gateway up` in front of the demo server, without the fast path."""
    with clean_run("up", data_dir=tmp_path_factory.mktemp("demo") / "data", GATEWAY_FAST_PATH="false") as running:
        yield running


UNCLAIMED_SECONDS = 2
"""Seconds after which `gateway` deletes a session that no key has claimed."""


@pytest.fixture(scope="module")
def gateway(upstream: McpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`mcp-gateway up` in front of the fixture `upstream` of the test module."""
    with clean_run(
        "up",
        *("--upstream", upstream.url),
        data_dir=tmp_path_factory.mktemp("gateway") / "data",
        GATEWAY_UNCLAIMED_SESSION_SECONDS=str(UNCLAIMED_SECONDS),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: Running) -> AdminClient:
    """The first admin of `gateway`."""
    return AdminClient(gateway)


@pytest.fixture(scope="package")
def production() -> Iterator[Production]:
    """Configured engines, with the demo server as the upstream."""
    # Not pytest's folder, because the path of a unix socket must be shorter than 108 bytes.
    with (
        running_mcp_server(*DEMO) as upstream,
        tempfile.TemporaryDirectory(prefix="production-") as folder,
        production_engines(Path(folder), upstream.url) as engines,
    ):
        yield engines


@pytest.fixture(scope="package")
def production_admin(production: Production) -> Iterator[Running]:
    """The admin process of `production`."""
    with production.admin() as running:
        yield running


@pytest.fixture(scope="package")
def operator(production_admin: Running) -> AdminClient:
    """The first admin of `production`, logged in."""
    return login(production_admin)
