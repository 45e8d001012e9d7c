"""README and tutorial are executed: all their commands, in order, against the gateway that `make run` starts."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documented_commands import run_steps, steps
from tests.support.running_up import Running

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs/tutorial.md")
NOT_RUN_HERE = ("make run", "make test", "pip install")
"""Beginnings of the blocks that are not executed: the gateway runs already, from this checkout, in a test."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The gateway that `make run` starts, on free ports and a temporary data folder."""
    running = Running(data_dir=tmp_path_factory.mktemp("readme") / "data", command=["make", "run"], cwd=ROOT)
    running.until_ready()
    yield running
    if running.process.poll() is None:
        # Like Ctrl-C in a terminal: the signal goes to make and to its children.
        os.killpg(running.process.pid, signal.SIGINT)
        running.wait()


def test_every_command_of_readme_and_tutorial_prints_what_is_shown(running: Running) -> None:
    to_run = [step for step in steps(*PAGES) if not step.commands.startswith(NOT_RUN_HERE)]
    assert run_steps(to_run, running, ROOT, os.environ["PATH"]) >= 8


def test_make_run_prints_a_key_and_a_command_that_verifies_it(running: Running) -> None:
    assert len(running.key) == 52
    assert running.login["email"] == "admin@localhost"
    verifying = running.printed(r"(curl -s (?:.|\n)*?tools/list\"}')")
    done = subprocess.run(["bash", "-c", verifying], capture_output=True, text=True, timeout=30)
    assert "query_stock_daily" in done.stdout
    assert '"mcpServers"' in running.text
