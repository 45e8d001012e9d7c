-- What statistics are read from: one row for each day (UTC), key, tool and set of tables.
--
-- The view hands on the token of the insert that feeds it (deduplicate_blocks_in_dependent_materialized_views),
-- so that a repeated insert adds nothing here, and completes what a failed one left out.
CREATE TABLE IF NOT EXISTS mcp_tool_usage_daily
(
    day Date,
    owner LowCardinality(String),
    key_id LowCardinality(String),
    tool_name LowCardinality(String),
    table_names Array(LowCardinality(String)),
    key_name AggregateFunction(argMax, String, DateTime64(3, 'UTC')),
    calls SimpleAggregateFunction(sum, UInt64),
    errors SimpleAggregateFunction(sum, UInt64),
    records SimpleAggregateFunction(sum, UInt64),
    unknown_records SimpleAggregateFunction(sum, UInt64),
    bytes SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (owner, day, key_id, tool_name, table_names)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS mcp_tool_usage_daily_view TO mcp_tool_usage_daily AS
SELECT
    toDate(created_at, 'UTC') AS day,
    owner,
    key_id,
    tool_name,
    table_names,
    argMaxState(CAST(mcp_tool_usage_log.key_name, 'String'), created_at) AS key_name,
    count() AS calls,
    countIf(is_error) AS errors,
    sum(ifNull(record_count, 0)) AS records,
    countIf(record_count IS NULL) AS unknown_records,
    sum(response_bytes) AS bytes
FROM mcp_tool_usage_log
GROUP BY day, owner, key_id, tool_name, table_names;
