-- One row for each act that the audit log records.
--
-- As for calls, merges remove a row that was inserted twice, and readers de-duplicate by id until then.
CREATE TABLE IF NOT EXISTS mcp_audit_log
(
    id String CODEC(ZSTD),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    actor LowCardinality(String),
    act LowCardinality(String),
    object String CODEC(ZSTD),
    address String CODEC(ZSTD),
    before String CODEC(ZSTD),
    after String CODEC(ZSTD),
    result LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (created_at, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row for each reason for which a worker refused requests of a key within some seconds.
CREATE TABLE IF NOT EXISTS mcp_denials_log
(
    id String CODEC(ZSTD),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    owner LowCardinality(String),
    key_id LowCardinality(String),
    tool_name LowCardinality(String),
    status UInt16,
    reason LowCardinality(String),
    count UInt64,
    gateway_id LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (owner, created_at, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
