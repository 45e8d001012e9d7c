"""The contents of the usage table of an ended gateway. Argument: the URL of its chDB."""

from __future__ import annotations

import json
import subprocess
import sys

from gateway.usage.store.table import UsageTable


def stored(url: str) -> tuple[list[tuple[str, int]], int]:
    """Return id and record count of every row, and the calls in the roll-up, read by a separate process."""
    command = [sys.executable, "-m", "tests.faults.stored", url]
    rows, calls = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return [(call_id, count) for call_id, count in rows], calls


def main(url: str) -> None:
    table = UsageTable(url)
    rows = table.query("SELECT request_id, record_count FROM mcp_tool_usage_log")
    calls = table.query("SELECT sum(calls + denied) FROM mcp_tool_usage_quarter_hourly")
    sys.stdout.write(json.dumps([[(json.loads(row[0]), row[1]) for row in rows], calls[0][0]]))
    table.close()


if __name__ == "__main__":
    main(sys.argv[1])
