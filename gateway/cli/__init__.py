"""The command line, `mcp-gateway`.

- An error is one line on standard error that names the fix, with exit code 1; wrong usage is exit code 2.
- With `--json`, standard output has the JSON document and nothing else.
- A command imports what it needs when it runs, so that the others start quickly.

| module | content |
| --- | --- |
| `app` | puts the commands together; begin reading here |
| `run` | `up`, `proxy` and `admin` |
| `users/`, `keys/`, `usage/`, `audit/`, `metering/`, `top/`, `alerts`, `backup`, `jwt_secret` | their commands |
| `diagnostics`, `client_config` | `config` and `doctor`; `client-config` |
| `support/` | shared options, output, and access to the stores and the admin API |

May import the packages in its row of the table in tests/test_imports.py; nothing imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` default to those of the process. Returns the exit code."""
    from gateway.cli.app import run_command_line

    return run_command_line(list(sys.argv[1:] if arguments is None else arguments))
