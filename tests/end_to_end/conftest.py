"""Gateways that the tests of one module share, each started as a user starts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.admin_client import AdminClient
from tests.support.running_up import Running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`mcp-gateway up` before the demo server."""
    running = Running("up", data_dir=tmp_path_factory.mktemp("demo") / "data")
    try:
        running.until_ready()
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.log
    assert [line for line in running.log if '"level":"info"' not in line] == []


@pytest.fixture(scope="module")
def demo_admin(demo: Running) -> AdminClient:
    """The admin API of `demo`."""
    return AdminClient(demo)
