"""The names of the tables."""

from __future__ import annotations

LOG_TABLE = "mcp_tool_usage_log"
"""One row for each call."""
QUARTER_HOURLY_TABLE = "mcp_tool_usage_quarter_hourly"
"""Sums by quarter hour, for each combination of owner, key, tool, set of tables and client."""
BY_DIMENSION_TABLE = "mcp_tool_usage_by_dimension"
"""Sums by owner and quarter hour (`total`), and by owner, day (UTC) and value of one other dimension."""
AUDIT_TABLE = "mcp_audit_log"
"""One row for each entry of the audit log."""
DENIALS_TABLE = "mcp_denials_log"
"""One row for each reason for which a worker refused requests of a key within some seconds."""
