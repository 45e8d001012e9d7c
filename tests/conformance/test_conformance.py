"""What conforms without the gateway conforms through it: every check of the official suite, one by one."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.conformance import shim, suite
from tests.conformance.suite import Outcome
from tests.support.mcp_servers import McpServer
from tests.support.production import login, production_engines
from tests.support.running_up import Running

pytestmark = pytest.mark.xdist_group("conformance")

WAYS: dict[str, dict[str, Any]] = {
    "with a key": {},
    # Which have the gateway read more, and write lists of tools anew, but refuse nothing of what the suite asks for.
    "with limits": {
        "allowed_tools": ["*"],
        "rate_limit_per_minute": 100_000,
        "calls_per_day": 10**6,
        "records_per_day": 10**6,
    },
}
"""The ways through the gateway, each with the limits of its key."""
REFERENCE = ("-m", "tests.conformance.everything")


class Run(NamedTuple):
    """A version of the suite, which scenarios, and how many of their checks pass, of which none may fail."""

    package: str
    arguments: str
    passes: int


RUNS = {
    "suite 0.1.16": Run("conformance-0.1", "--suite all", 44),
    "2025-03-26": Run("conformance-0.2", "--suite all --spec-version 2025-03-26", 3),
    "2025-06-18": Run("conformance-0.2", "--suite all --spec-version 2025-06-18", 56),
    "2025-11-25": Run("conformance-0.2", "--suite all --spec-version 2025-11-25", 84),
    # With the extension for tasks, which belongs to no revision.
    "2026-07-28": Run("conformance-0.2", "--requirements 2026-07-28", 196),
}


class Suites:
    """The suite's runs, each made once."""

    def __init__(self, urls: dict[str, str], folder: Path) -> None:
        self._urls = urls
        self._folder = folder
        self._done: dict[str, dict[str, Outcome]] = {}

    def outcomes(self, name: str) -> dict[str, Outcome]:
        """What a run found on each way, which are gone side by side."""
        if name not in self._done:
            with ThreadPoolExecutor() as pool:
                outcomes = pool.map(lambda way: self._run(name, way), self._urls)
                self._done[name] = dict(zip(self._urls, outcomes, strict=True))
        return self._done[name]

    def _run(self, name: str, way: str) -> Outcome:
        run = RUNS[name]
        return suite.run(run.package, tuple(run.arguments.split()), self._urls[way], self._folder / name / way)


class Stage(NamedTuple):
    """What the suite runs against."""

    suites: Suites
    upstream_url: str
    admin: Running
    token: str

    @property
    def given(self) -> dict[str, int]:
        """Results that the upstream gave, by tool, of those that are no errors."""
        return dict(requests.get(self.upstream_url.replace("/mcp", "/results"), timeout=10).json())

    @property
    def counted(self) -> dict[str, int]:
        """Results that the gateway counted, by tool, of those that are no errors."""
        stats = self.admin.admin("GET", "/api/mcp-usage/stats", self.token).json()
        results = {row["tool_name"]: row["calls"] - row["errors"] for row in stats["by_tool"]}
        return {tool: number for tool, number in results.items() if number}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A reference server by itself, and one behind a gateway with two workers."""
    with contextlib.ExitStack() as stack:
        direct, behind = McpServer(*REFERENCE), McpServer(*REFERENCE)
        stack.callback(direct.stop)
        stack.callback(behind.stop)
        # Not pytest's folder: a unix socket's path must stay under 108 bytes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
        production = stack.enter_context(production_engines(Path(folder), behind.url))
        gateway = stack.enter_context(production.proxy())
        admin = stack.enter_context(production.admin())
        operator = login(admin)
        urls = {"directly": direct.url}
        for way, limits in WAYS.items():
            key = operator.new_key(way, **limits)
            port = stack.enter_context(shim.with_key(gateway.proxy_port, key.text))
            urls[way] = f"http://127.0.0.1:{port}/mcp"
        yield Stage(Suites(urls, Path(folder) / "results"), behind.url, admin, operator.token)


@pytest.mark.parametrize("name", RUNS)
def test_what_conforms_directly_conforms_through_the_gateway(name: str, stage: Stage) -> None:
    outcomes = stage.suites.outcomes(name)
    direct = outcomes["directly"]
    assert direct.total == f"{RUNS[name].passes} passed, 0 failed", direct.log
    for way in WAYS:
        gateway = outcomes[way]
        assert gateway.passed == direct.passed, gateway.log
        assert gateway.failed == direct.failed, gateway.log
        assert gateway.warned == direct.warned, gateway.log


def test_each_result_that_the_suite_got_is_counted_once(stage: Stage) -> None:
    for name in RUNS:
        stage.suites.outcomes(name)
    deadline = time.monotonic() + 10
    while stage.counted != stage.given and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stage.counted == stage.given
    assert len(stage.given) > 20
