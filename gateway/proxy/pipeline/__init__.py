"""The general path: serves every request, from its head to the delivery of the response.

- `handler` routes a request; `mcp_endpoint` serves the MCP endpoint from top to bottom.
- The stages, each a frozen value: `RequestHead` → `AdmittedRequest` (both in `admission`) → `UpstreamRequest` →
  `SentRequest` (both in `upstream_request`).
- `request_body`, `sending`, `streams`, `response_delivery`, `usage_recorder`: the steps between them.
- `session_registration`, `session_reaper`, `open_streams`, `detached_calls`: what lives longer than one request.

Imported by `fast_path`, and by `services` and `worker`, which construct it. Begin reading in `handler`.
"""
