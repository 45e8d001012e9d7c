"""The command line, `mcp-gateway`.

- What went wrong is one line on standard error, with the mend, and exit code 1; wrong usage is exit code 2.
- What a script reads (`--json`) goes to standard output, and nothing else does.
- Only what a command needs is imported, when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process unless given. Returns the exit code."""
    from gateway.cli.app import run

    return run(list(sys.argv[1:] if arguments is None else arguments))
