"""A command that runs for as long as a test needs it, and has nothing to complain of when it is stopped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.support.running_up import Running


@contextlib.contextmanager
def clean_run(*arguments: str, data_dir: Path, **environment: str) -> Iterator[Running]:
    """A started `mcp-gateway`; on leaving it must end with code 0 and must have logged nothing above `info`."""
    running = Running(*arguments, data_dir=data_dir, **{"GATEWAY_LOG_FORMAT": "json", **environment})  # type: ignore[arg-type]
    try:
        running.until_ready()
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.log
    assert not complaints(running), "\n".join(complaints(running))


def complaints(running: Running) -> list[str]:
    """The lines of the log that a person should look at; a line that is no record of the log is one."""
    return [line for line in running.log if not _is_calm(line)]


def _is_calm(line: str) -> bool:
    try:
        return json.loads(line)["level"] in ("debug", "info")
    except (ValueError, KeyError, TypeError):
        return False
