-- How the records of a call were counted; empty for the calls of earlier versions. The path names members of the result,
-- never values, so there are few different ones for each tool.
ALTER TABLE mcp_tool_usage_log
    ADD COLUMN IF NOT EXISTS count_path LowCardinality(String),
    ADD COLUMN IF NOT EXISTS count_witness LowCardinality(String),
    ADD COLUMN IF NOT EXISTS count_signs Array(LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS count_confidence Nullable(Float32);
