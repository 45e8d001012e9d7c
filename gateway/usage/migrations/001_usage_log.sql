-- One row for each answered tools/call that was forwarded.
--
-- ReplacingMergeTree, because merges then remove an event that was inserted twice; until they do, readers
-- de-duplicate by event_id. The deduplication window makes an insert that is repeated under its token a no-op:
-- it counts blocks, a batch makes one for each month it touches.
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
SETTINGS non_replicated_deduplication_window = 10000;
