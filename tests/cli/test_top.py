"""`mcp-gateway top` on a real Redis, a real chDB and a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.cli import main
from gateway.timestamps import now_ms
from gateway.usage.store.table import UsageTable
from tests.cli.support import Capture
from tests.usage.denials import denial, insert_denials
from tests.usage.support import event

pytestmark = pytest.mark.usefixtures("redis_url")
LONG = "analytics of the whole company in the far north " * 4


def insert(table: UsageTable) -> None:
    now = now_ms()
    table.insert(
        [
            *(event(created_at=now - number, tool_name="query", record_count=10) for number in range(6)),
            event(created_at=now, tool_name="run_sql\x1b[31m", key_name=LONG, is_error=True, status="tool_error"),
            event(created_at=now - 7_200_000, tool_name="old"),
        ],
        f"token {now}",
    )
    asyncio.run(insert_denials(table, denial(created_at=now, tool_name="query", key_id="key_9", count=4)))


def top(capsys: Capture, *arguments: str) -> str:
    assert main(["top", *arguments]) == 0
    return capsys.readouterr().out


def test_without_a_terminal_one_table_is_printed(clickhouse: UsageTable, capsys: Capture) -> None:
    insert(clickhouse)
    lines = [line.split() for line in top(capsys, "--by", "tool").splitlines()]
    assert lines[0][:3] == ["TOOL", "CALLS/S", "CALLS"]
    assert lines[1][:7] == ["total", "0.1", "7", "1", "0", "4", "80"]
    assert lines[2][:7] == ["query", "0.1", "6", "0", "0", "4", "60"]
    assert lines[3][0] == "run_sql?[31m"
    lines = [line.split() for line in top(capsys, "--by", "tool", "--sort", "errors").splitlines()]
    assert [line[0] for line in lines] == ["TOOL", "total", "run_sql?[31m", "query"]
    lines = [line.split() for line in top(capsys, "--by", "key", "--sort", "refused").splitlines()]
    assert lines[2][:7] == ["ada@example.com", "key_9", "0.0", "0", "0", "0", "4"]
    lines = [line.split() for line in top(capsys, "--by", "client").splitlines()]
    assert lines[1][:7] == ["total", "0.1", "7", "1", "0", "-", "80"]


def test_json_has_the_names_of_the_api(clickhouse: UsageTable, capsys: Capture) -> None:
    insert(clickhouse)
    found = json.loads(top(capsys, "--json", "--owner", "ADA@example.com"))
    assert (found["seconds"], found["totals"]["calls"], len(found["rows"])) == (60, 7, 3)


class Terminal:
    """A pseudo-terminal with a running command."""

    def __init__(self, *arguments: str, columns: int) -> None:
        self.controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
        os.close(terminal)
        self.seen = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + 30
        while text not in self.seen:
            assert select.select([self.controller], [], [], deadline - time.monotonic())[0], self.seen
            self.seen += os.read(self.controller, 65536).decode(errors="replace")

    def press(self, key: bytes) -> int:
        """Send a key, read all that is shown after it, and return the exit code of the command."""
        os.write(self.controller, key)
        # A command that cannot write would not end; a terminal without a command fails to be read (EIO).
        with suppress(OSError):
            while select.select([self.controller], [], [], 60)[0]:
                self.seen += os.read(self.controller, 65536).decode(errors="replace")
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.controller)


@pytest.fixture
def terminal(request: pytest.FixtureRequest, clickhouse: UsageTable) -> Iterator[Terminal]:
    insert(clickhouse)
    shown = Terminal("top", "--interval", "0.5", columns=request.param)
    yield shown
    shown.close()


@pytest.mark.parametrize(
    ("terminal", "key", "code"), [(120, b"q", 0), (60, b"\x03", 130)], indirect=["terminal"], ids=["q", "Ctrl-C"]
)
def test_a_terminal_shows_new_calls_until_a_key_ends_it(
    clickhouse: UsageTable, terminal: Terminal, key: bytes, code: int
) -> None:
    terminal.read_until("query")
    assert "\x1b[?1049h" in terminal.seen
    assert "\x1b[31m" not in terminal.seen
    # A narrow terminal leaves columns out instead of the names.
    assert ("DENIED" in terminal.seen, "REFUSED" in terminal.seen) == (key == b"q", True)
    clickhouse.insert([event(created_at=now_ms(), tool_name="fresh")], "fresh")
    terminal.read_until("fresh")
    assert terminal.press(key) == code
    assert "\x1b[?1049l" in terminal.seen
    assert "Traceback" not in terminal.seen
