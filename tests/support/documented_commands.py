"""Commands of a page and the output that it shows, executed as one script."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.running_up import Running


class Step(NamedTuple):
    """A block of commands and the output they should print; `…` stands for any text."""

    commands: str
    expected: str | None


def steps(*pages: Path) -> list[Step]:
    """Return the blocks of commands of the pages, in order."""
    text = "".join(page.read_text() for page in pages)
    found: list[Step] = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "sh":
            found.append(Step(block.strip(), None))
        else:
            assert language in ("json", "text")
            assert found[-1].expected is None
            found[-1] = Step(found[-1].commands, block)
    return found


def run_steps(to_run: Sequence[Step], running: Running, cwd: Path, path: str) -> int:
    """Run the steps against a gateway; assert that they print what is shown. Returns the number of checked outputs."""
    environment = {**running.environment, "PATH": path}
    command = ["bash", "-c", _script(to_run, running)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = dict(re.findall(r"^@@ (\d+)\n(.*?)(?=^@@ |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    checked = 0
    for number, step in enumerate(to_run):
        if step.expected is None:
            continue
        pattern = ".*?".join(re.escape(_one_line(part)) for part in step.expected.split("…"))
        seen = _one_line(outputs[str(number)])
        assert re.fullmatch(pattern, seen, re.DOTALL), f"{step.commands}\n\nprinted\n\n{seen}"
        checked += 1
    return checked


def _script(to_run: Sequence[Step], running: Running) -> str:
    lines = ["set -eu"]
    for number, step in enumerate(to_run):
        lines += [f"printf '@@ {number}\\n'", step.commands, "printf '\\n'"]
    text = "\n".join(lines)
    text = text.replace("PASSWORD=…", f"PASSWORD={running.login['password']}").replace("KEY=sk-…", f"KEY={running.key}")
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{running.admin_port}").replace(
        "127.0.0.1:8001", f"127.0.0.1:{running.proxy_port}"
    )


def _one_line(text: str) -> str:
    return text.strip("\n").replace("\r", "").replace("\n", "")
