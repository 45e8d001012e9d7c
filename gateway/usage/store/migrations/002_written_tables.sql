-- The tables that a call wrote; empty for the calls of earlier versions.
ALTER TABLE mcp_tool_usage_log ADD COLUMN IF NOT EXISTS written_tables Array(LowCardinality(String));
