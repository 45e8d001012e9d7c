"""A running command that must end without warnings."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.running_up import Running


@contextlib.contextmanager
def clean_run(*arguments: str, data_dir: Path, expected: Sequence[str] = (), **environment: str) -> Iterator[Running]:
    """Run `mcp-gateway`; on exit, assert that it ends with code 0 and has logged nothing above `info`.

    Lines that contain one of the `expected` texts are not counted.
    """
    running = Running(*arguments, data_dir=data_dir, **{"GATEWAY_LOG_FORMAT": "json", **environment})  # type: ignore[arg-type]
    try:
        running.until_ready()
        yield running
    finally:
        code = running.stop()
    assert code == 0, running.log
    found = [line for line in warnings_in_log(running) if not any(text in line for text in expected)]
    assert not found, "\n".join(found)


def warnings_in_log(running: Running) -> list[str]:
    """Return the log lines above `info`, and the lines that are not JSON log records."""
    return [line for line in running.log if not _is_harmless(line)]


def _is_harmless(line: str) -> bool:
    try:
        return json.loads(line)["level"] in ("debug", "info")
    except (ValueError, KeyError, TypeError):
        return False
