"""The command line, `mcp-gateway`.

- An error is one line on standard error that names the fix, with exit code 1; wrong usage is exit code 2.
- With `--json`, standard output has the JSON document and nothing else.
- A command imports what it needs when it runs, so that the others start quickly.

`app` puts the commands together, and is the place to begin reading. One module or package holds one group of commands;
`support/` has what they share. May import every package of `gateway`; nothing imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` default to those of the process. Returns the exit code."""
    from gateway.cli.app import run

    return run(list(sys.argv[1:] if arguments is None else arguments))
