"""The official Python SDK, 1.x, in a virtual environment of its own: it cannot be installed beside 2.x."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.support import journey
from tests.support.journey import Journey

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-mcp1"
REQUIREMENT = "mcp>=1.30,<1.31"
SCRIPT = Path(__file__).with_name("sdk1_script.py")


def python() -> Path:
    """The interpreter that has the 1.x SDK; made once, and made anew where another version is asked for."""
    stamp = FOLDER / "installed"
    wanted = f"{REQUIREMENT} on Python {sys.version.split()[0]}\n"
    # Held on a file that is always there, so that runs side by side do not both make it.
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


class Traveller:
    """One client, as a process."""

    def __init__(self, url: str, key: str, *, hold: bool = False) -> None:
        """Begin the journey; with `hold` the session stays open until `finish`."""
        self._process = subprocess.Popen(
            [str(python()), str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"url": url, "key": key, "plan": journey.PLAN, "hold": hold}) + "\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """What it printed on arrival."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate(timeout=10)[1]
        return dict(json.loads(line))

    def finish(self) -> tuple[int, str]:
        """Let it close its session and end: its exit code, and what it wrote to standard error."""
        _, log = self._process.communicate("\n", timeout=30)
        return self._process.returncode, log

    def finish_content(self) -> None:
        """Let it close its session and end, and see that it has nothing to complain of."""
        assert self.finish() == (0, "")

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def travel(url: str, key: str) -> Journey:
    """The whole journey."""
    traveller = Traveller(url, key)
    try:
        told = traveller.told()
        traveller.finish_content()
    finally:
        traveller.kill()
    return msgspec.convert(told["journey"], Journey)
