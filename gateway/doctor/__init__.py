"""Checks of a running gateway for `mcp-gateway doctor`: each finding is one line that names the fix.

`checks` has the checks and is the place to begin reading; `proxy_checks` has those of the proxy and of a key, `key` the
faults of a key, `certificate` the check of TLS; `mcp` is a small MCP client. May import the packages in its row of the
table in tests/test_imports.py. Imported by `gateway.cli`, `gateway.runtime` and, for its findings, by `admin_api`.
"""

from gateway.doctor.checks import run_checks
from gateway.doctor.deployment import Check, Deployment

__all__ = ["Check", "Deployment", "run_checks"]
