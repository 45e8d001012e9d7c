"""README and tutorial are executed: all their commands, in order, against the gateway that `make run` starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.running_up import Running

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs/tutorial.md")
NOT_RUN_HERE = ("make run", "make test", "pip install")
"""Beginnings of the blocks that are not executed: the gateway runs already, from this checkout, in a test."""


class Step(NamedTuple):
    """A block of commands and the output they should print; `…` stands for any text."""

    commands: str
    expected: str | None


def steps() -> list[Step]:
    text = "".join(page.read_text() for page in PAGES)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found: list[Step] = []
    for language, text in blocks:
        if language == "sh":
            found.append(Step(text.strip(), None))
        else:
            assert language in ("json", "text")
            assert found[-1].expected is None
            found[-1] = Step(found[-1].commands, text)
    return found


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


def script(running: Running) -> str:
    lines = ["set -eu"]
    for number, step in enumerate(steps()):
        if step.commands.startswith(NOT_RUN_HERE):
            continue
        lines += [f"printf '@@ {number}\\n'", step.commands, "printf '\\n'"]
    text = "\n".join(lines)
    text = text.replace("PASSWORD=…", f"PASSWORD={running.login['password']}").replace("KEY=sk-…", f"KEY={running.key}")
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{running.admin_port}").replace(
        "127.0.0.1:8001", f"127.0.0.1:{running.proxy_port}"
    )


def test_every_command_of_readme_and_tutorial_prints_what_is_shown(running: Running) -> None:
    done = subprocess.run(
        ["bash", "-c", script(running)], cwd=ROOT, env=running.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = dict(re.findall(r"^@@ (\d+)\n(.*?)(?=^@@ |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    checked = 0
    for number, step in enumerate(steps()):
        if step.expected is None:
            continue
        pattern = ".*?".join(re.escape(_one_line(part)) for part in step.expected.split("…"))
        seen = _one_line(outputs[str(number)])
        assert re.fullmatch(pattern, seen, re.DOTALL), f"{step.commands}\n\nprinted\n\n{seen}"
        checked += 1
    assert checked >= 8


def test_make_run_prints_a_key_and_a_command_that_verifies_it(running: Running) -> None:
    assert len(running.key) == 52
    assert running.login["email"] == "admin@localhost"
    verifying = running.printed(r"(curl -s (?:.|\n)*?tools/list\"}')")
    done = subprocess.run(["bash", "-c", verifying], capture_output=True, text=True, timeout=30)
    assert "query_stock_daily" in done.stdout
    assert '"mcpServers"' in running.text


def _one_line(text: str) -> str:
    return text.strip("\n").replace("\r", "").replace("\n", "")
