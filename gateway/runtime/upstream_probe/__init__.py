"""One question to the upstream, at the start and in `mcp-gateway doctor`: is it an MCP server, and does it accept us?

`probe` asks and is the place to begin reading; `findings` classifies what comes back; `messages` builds and reads
JSON-RPC messages. Imports no other package of the project; imported by `gateway.runtime` and `gateway.doctor`.
"""

from gateway.runtime.upstream_probe.findings import Finding
from gateway.runtime.upstream_probe.probe import probe_upstream

__all__ = ["Finding", "probe_upstream"]
