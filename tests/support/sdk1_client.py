"""The official Python SDK 1.x in a separate virtual environment, because it cannot be installed together with 2.x."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.support import scenario
from tests.support.scenario import ScenarioReport

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-mcp1"
REQUIREMENT = "mcp>=1.30,<1.31"
SCRIPT = Path(__file__).with_name("sdk1_script.py")


def python() -> Path:
    """Return the interpreter of the environment with SDK 1.x; create the environment if it is missing or outdated."""
    stamp = FOLDER / "installed"
    wanted = f"{REQUIREMENT} on Python {sys.version.split()[0]}\n"
    # Locks a file that always exists, so that concurrent test runs do not both create the environment.
    with SCRIPT.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
            _run(str(FOLDER / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", REQUIREMENT)
            stamp.write_text(wanted)
    return FOLDER / "bin/python"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


class Sdk1Process:
    """A client in a process."""

    def __init__(self, url: str, key: str, *, hold: bool = False) -> None:
        """Start the scenario; with `hold`, the session stays open until `finish`."""
        self._process = subprocess.Popen(
            [str(python()), str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"url": url, "key": key, "plan": scenario.PLAN, "hold": hold}) + "\n")
        self._process.stdin.flush()

    def read_report(self) -> dict[str, Any]:
        """Read the report that the process prints after the scenario."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate(timeout=30)[1]
        return dict(json.loads(line))

    def finish(self) -> tuple[int, str]:
        """Let it close its session and exit; return the exit code and the text on standard error."""
        _, log = self._process.communicate("\n", timeout=30)
        return self._process.returncode, log

    def finish_without_errors(self) -> None:
        """Let it close its session and exit, and assert that there was no error."""
        assert self.finish() == (0, "")

    def kill(self) -> None:
        """Kill the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def run_scenario(url: str, key: str) -> ScenarioReport:
    """Run the scenario."""
    process = Sdk1Process(url, key)
    try:
        report = process.read_report()
        process.finish_without_errors()
    finally:
        process.kill()
    return msgspec.convert(report["scenario"], ScenarioReport)
