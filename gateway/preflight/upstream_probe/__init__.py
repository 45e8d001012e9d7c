"""One question to the upstream, at the start and in `mcp-gateway doctor`: is it an MCP server, and does it accept us?

`probe` asks and is the place to begin reading; `findings` classifies what comes back; `messages` builds and reads
JSON-RPC messages. Imported by `startup_checks` and `gateway.doctor`.
"""

from gateway.preflight.upstream_probe.findings import Finding
from gateway.preflight.upstream_probe.probe import probe_upstream

__all__ = ["Finding", "probe_upstream"]
