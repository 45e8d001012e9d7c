"""The README is executed: its commands, in their order, against what its first command started."""

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
NOT_RUN_HERE = {"make run": "it is running", "make test": "it is what runs this"}


class Step(NamedTuple):
    """A block of commands, and what they should print; `…` stands for anything."""

    commands: str
    expected: str | None


def steps() -> list[Step]:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
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
    """What `make run` starts, on ports and a data folder of its own."""
    running = Running(data_dir=tmp_path_factory.mktemp("readme") / "data", command=["make", "run"], cwd=ROOT)
    running.until_ready()
    yield running
    if running.process.poll() is None:
        # As a terminal's Ctrl-C, which goes to make and to what it started.
        os.killpg(running.process.pid, signal.SIGINT)
        running.wait()


def script(running: Running) -> str:
    lines = ["set -eu"]
    for number, step in enumerate(steps()):
        if step.commands in NOT_RUN_HERE:
            continue
        lines += [f"printf '@@ {number}\\n'", step.commands, "printf '\\n'"]
    text = "\n".join(lines)
    text = text.replace("PASSWORD=…", f"PASSWORD={running.login['password']}")
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{running.admin_port}").replace(
        "127.0.0.1:8001", f"127.0.0.1:{running.proxy_port}"
    )


def test_every_command_of_the_readme_does_what_it_says(running: Running) -> None:
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


def test_the_first_command_prints_what_the_readme_says(running: Running) -> None:
    assert len(running.key) == 52
    assert running.login["email"] == "admin@localhost"
    verifying = running.printed(r"(curl -s (?:.|\n)*?tools/list\"}')")
    done = subprocess.run(["bash", "-c", verifying], capture_output=True, text=True, timeout=30)
    assert "query_stock_daily" in done.stdout
    assert '"mcpServers"' in running.text


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def _one_line(text: str) -> str:
    return text.strip("\n").replace("\r", "").replace("\n", "")
