"""Gateways that the tests of one module share, each started as a user starts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.admin_client import AdminClient
from tests.support.clean_run import clean_run
from tests.support.running_up import Running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`mcp-gateway up` before the demo server."""
    with clean_run("up", data_dir=tmp_path_factory.mktemp("demo") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def demo_admin(demo: Running) -> AdminClient:
    """The admin API of `demo`."""
    return AdminClient(demo)
