"""What conforms without the gateway conforms through it: every check of the official suite, one by one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conformance import shim, suite
from tests.support.mcp_servers import McpServer
from tests.support.production import login, production_engines

pytestmark = pytest.mark.xdist_group("conformance")

REFERENCE = ("-m", "tests.conformance.everything")


class Urls(NamedTuple):
    """The reference server, twice."""

    direct: str
    through_gateway: str


@pytest.fixture(scope="module")
def urls() -> Iterator[Urls]:
    """A reference server, and the way to it through a gateway with two workers, with a key."""
    with contextlib.ExitStack() as stack:
        reference = McpServer(*REFERENCE)
        stack.callback(reference.stop)
        # Not pytest's folder: a unix socket's path must stay under 108 bytes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
        production = stack.enter_context(production_engines(Path(folder), reference.url))
        gateway = stack.enter_context(production.proxy())
        key = login(stack.enter_context(production.admin())).new_key("conformance")
        port = stack.enter_context(shim.with_key(gateway.proxy_port, key.text))
        yield Urls(reference.url, f"http://127.0.0.1:{port}/mcp")


@pytest.mark.parametrize(
    ("package", "arguments", "passes"),
    [
        pytest.param("conformance-0.1", "--suite all", 44, id="0.1.16"),
        pytest.param("conformance-0.2", "--suite all --spec-version 2025-11-25", 84, id="2025-11-25"),
        pytest.param("conformance-0.2", "--requirements 2026-07-28", 196, id="2026-07-28"),
    ],
)
def test_what_conforms_directly_conforms_through_the_gateway(
    package: str, arguments: str, passes: int, urls: Urls, tmp_path: Path
) -> None:
    direct = suite.run(package, tuple(arguments.split()), urls.direct, tmp_path / "direct")
    assert direct.total == f"{passes} passed, 0 failed", direct.log
    gateway = suite.run(package, tuple(arguments.split()), urls.through_gateway, tmp_path / "gateway")
    assert gateway.passed == direct.passed, gateway.log
    assert gateway.failed == direct.failed, gateway.log
    assert gateway.warned == direct.warned, gateway.log
