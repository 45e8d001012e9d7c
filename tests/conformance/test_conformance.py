"""Every check of the official conformance suite has the same result with and without the gateway."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from tests.conformance import key_injector, suite
from tests.conformance.suite import Outcome
from tests.support.mcp_servers import running_mcp_server
from tests.support.production import login, production_engines
from tests.support.running_up import Running
from tests.support.waiting import wait_until

REFUSED_HOST = "was refused; if clients may use it"
"""The warning about a `Host` that the suite makes up."""


class Configuration(NamedTuple):
    """The gateway and the key that the suite uses."""

    settings: dict[str, str]
    key_fields: dict[str, Any]


CONFIGURATIONS = {
    "with a key": Configuration({}, {}),
    # With limits, the gateway inspects more and rewrites lists of tools, but it rejects nothing that the suite sends.
    "with limits": Configuration(
        {},
        {
            "allowed_tools": ["*"],
            "rate_limit_per_minute": 100_000,
            "calls_per_day": 10**6,
            "records_per_day": 10**6,
        },
    ),
    "without the fast path": Configuration({"GATEWAY_FAST_PATH": "false"}, {}),
}
REFERENCE = ("-m", "tests.conformance.reference_server")


class Run(NamedTuple):
    """A version of the suite, its scenarios, and the number of checks that pass; none may fail."""

    package: str
    arguments: str
    passes: int


RUNS = {
    "suite 0.1.16": Run("conformance-0.1", "--suite all", 44),
    "2025-03-26": Run("conformance-0.2", "--suite all --spec-version 2025-03-26", 3),
    "2025-06-18": Run("conformance-0.2", "--suite all --spec-version 2025-06-18", 56),
    "2025-11-25": Run("conformance-0.2", "--suite all --spec-version 2025-11-25", 84),
    # Includes the tasks extension, which belongs to no revision.
    "2026-07-28": Run("conformance-0.2", "--requirements 2026-07-28", 196),
}


class Suites:
    """Runs of the suite, each executed once."""

    def __init__(self, urls: dict[str, str], folder: Path) -> None:
        self._urls = urls
        self._folder = folder
        self._done: dict[str, dict[str, Outcome]] = {}

    def outcomes(self, name: str) -> dict[str, Outcome]:
        """Return the outcome of a run for each URL; the URLs are tested concurrently."""
        if name not in self._done:
            with ThreadPoolExecutor() as pool:
                outcomes = pool.map(lambda url: self._run(name, url), self._urls)
                self._done[name] = dict(zip(self._urls, outcomes, strict=True))
        return self._done[name]

    def _run(self, name: str, url_name: str) -> Outcome:
        run = RUNS[name]
        return suite.run(
            run.package, tuple(run.arguments.split()), self._urls[url_name], self._folder / name / url_name
        )


class Stage(NamedTuple):
    """The servers that the suite tests."""

    suites: Suites
    upstream_url: str
    admin: Running
    token: str

    @property
    def returned(self) -> dict[str, int]:
        """The number of results without errors that the upstream returned, by tool."""
        return dict(requests.get(self.upstream_url.replace("/mcp", "/results"), timeout=30).json())

    @property
    def metered(self) -> dict[str, int]:
        """The number of results without errors that the gateway metered, by tool."""
        stats = self.admin.admin("GET", "/api/mcp-usage/stats", self.token).json()
        results = {row["tool_name"]: row["calls"] - row["errors"] for row in stats["by_tool"]}
        return {tool: number for tool, number in results.items() if number}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A reference server without a gateway, and another one behind gateways with two workers each."""
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(running_mcp_server(*REFERENCE))
        behind = stack.enter_context(running_mcp_server(*REFERENCE))
        # Not pytest's folder, because the path of a unix socket must be shorter than 108 bytes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
        production = stack.enter_context(production_engines(Path(folder), behind.url))
        admin = stack.enter_context(production.admin())
        operator = login(admin)
        urls = {"directly": direct.url}
        for url_name, (settings, key_fields) in CONFIGURATIONS.items():
            gateway = stack.enter_context(production.proxy(expected=[REFUSED_HOST], **settings))
            key = operator.new_key(url_name, **key_fields)
            port = stack.enter_context(key_injector.injecting_key(gateway.proxy_port, key.text))
            urls[url_name] = f"http://127.0.0.1:{port}/mcp"
        yield Stage(Suites(urls, Path(folder) / "results"), behind.url, admin, operator.token)


@pytest.mark.parametrize("name", RUNS)
def test_checks_have_the_same_result_through_the_gateway(name: str, stage: Stage) -> None:
    outcomes = stage.suites.outcomes(name)
    direct = outcomes["directly"]
    assert direct.total == f"{RUNS[name].passes} passed, 0 failed", direct.log
    for url_name in CONFIGURATIONS:
        gateway = outcomes[url_name]
        assert gateway.passed == direct.passed, gateway.log
        assert gateway.failed == direct.failed, gateway.log
        assert gateway.warned == direct.warned, gateway.log


def test_each_result_that_the_suite_received_is_metered_once(stage: Stage) -> None:
    for name in RUNS:
        stage.suites.outcomes(name)
    wait_until(lambda: stage.metered == stage.returned)
    assert stage.metered == stage.returned
    assert len(stage.returned) > 20
