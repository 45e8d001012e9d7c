-- One row for each answered tools/call that was forwarded.
--
-- ReplacingMergeTree, because merges then remove an event that was inserted twice; until they do, readers
-- de-duplicate by event_id. The deduplication window makes an insert that is repeated under its token a no-op:
-- it counts blocks, a batch makes one for each month it touches. An insert is on the disk when it is
-- acknowledged, because the stream forgets it then.
CREATE TABLE IF NOT EXISTS mcp_tool_usage_log
(
    event_id String CODEC(ZSTD),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    owner LowCardinality(String),
    key_id LowCardinality(String),
    key_name LowCardinality(String),
    tool_name LowCardinality(String),
    table_names Array(LowCardinality(String)),
    record_count Nullable(UInt64),
    count_method LowCardinality(String),
    is_error Bool,
    status LowCardinality(String),
    duration_ms Float64,
    response_bytes UInt64,
    client_name LowCardinality(String),
    client_version LowCardinality(String),
    session_id String CODEC(ZSTD),
    request_id String CODEC(ZSTD),
    protocol_version LowCardinality(String),
    client_ip String CODEC(ZSTD),
    gateway_id LowCardinality(String),
    arguments_hash String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (owner, created_at, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

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
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

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
