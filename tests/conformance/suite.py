"""Runs the official conformance suite, an npm package, against a URL."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.support import node

_FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class Check(NamedTuple):
    """One check of one scenario; several can have the same names."""

    scenario: str
    id: str
    name: str


class Outcome(NamedTuple):
    """The number of checks by name and status."""

    passed: Counter[Check]
    failed: Counter[Check]
    warned: Counter[Check]
    log: str

    @property
    def total(self) -> str:
        """The total, as the suite prints it."""
        return f"{self.passed.total()} passed, {self.failed.total()} failed"


def run(package: str, arguments: tuple[str, ...], url: str, folder: Path) -> Outcome:
    """Run the scenarios that the arguments select; the suite writes its results into the folder."""
    packages = node.installed("conformance", Path(__file__).parent)
    script = packages.package(package) / "dist/index.js"
    command = [str(packages.node), str(script), "server", "--url", url, "-o", str(folder), *arguments]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=150)
    outcome = Outcome(Counter(), Counter(), Counter(), completed.stdout + completed.stderr)
    counters = {"SUCCESS": outcome.passed, "FAILURE": outcome.failed, "WARNING": outcome.warned}
    for file in folder.rglob("checks.json"):
        scenario = _FOLDER.fullmatch(file.parent.name)
        assert scenario, file
        for check in json.loads(file.read_text()):
            if check["status"] in counters:
                counters[check["status"]][Check(scenario[1], check["id"], check["name"])] += 1
    assert f"Total: {outcome.total}" in completed.stdout, f"{outcome.total} in {folder}, but:\n{outcome.log}"
    return outcome
