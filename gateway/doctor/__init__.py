"""Checks of a running gateway for `mcp-gateway doctor`: each finding is one line that names the fix.

`checks` has the checks and is the place to begin reading; `mcp` is a small MCP client. May import `settings`, `redis`,
`keys` and `runtime.startup_checks`. Imported by `gateway.cli`.
"""

from gateway.doctor.checks import Check, Deployment, run_checks

__all__ = ["Check", "Deployment", "run_checks"]
