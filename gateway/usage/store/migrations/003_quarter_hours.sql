-- Sums of calls for days of any time zone: all offsets since the year 2000 are whole quarter hours. Both tables replace
-- the sums of days in UTC.
--
-- Calls with the status `denied` count as `denied` only. `durations` counts calls by duration: bucket b holds those
-- above 1.04^(b-1) and up to 1.04^b milliseconds. The views hand on the token of the insert that feeds them, as the
-- view of 001 did.

-- One row for each quarter hour and combination of owner, key, tool, set of tables and client.
CREATE TABLE IF NOT EXISTS mcp_tool_usage_quarter_hourly
(
    owner LowCardinality(String),
    since DateTime('UTC') CODEC(Delta, ZSTD),
    key_id LowCardinality(String),
    tool_name LowCardinality(String),
    table_names Array(LowCardinality(String)),
    client_name LowCardinality(String),
    calls SimpleAggregateFunction(sum, UInt64),
    errors SimpleAggregateFunction(sum, UInt64),
    denied SimpleAggregateFunction(sum, UInt64),
    records SimpleAggregateFunction(sum, UInt64),
    unknown_records SimpleAggregateFunction(sum, UInt64),
    bytes SimpleAggregateFunction(sum, UInt64),
    first_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    last_at SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))),
    durations SimpleAggregateFunction(sumMap, Tuple(Array(Int16), Array(UInt64)))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(since)
ORDER BY (owner, since, key_id, tool_name, table_names, client_name)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row for each owner and quarter hour (dimension `total`), and for each owner, day (UTC) and value of one other
-- dimension: the sums of the table above for statistics without filters, in a tenth of the rows.
CREATE TABLE IF NOT EXISTS mcp_tool_usage_by_dimension
(
    dimension LowCardinality(String),
    owner LowCardinality(String),
    since DateTime('UTC') CODEC(Delta, ZSTD),
    value LowCardinality(String),
    key_name AggregateFunction(argMax, String, DateTime64(3, 'UTC')),
    calls SimpleAggregateFunction(sum, UInt64),
    errors SimpleAggregateFunction(sum, UInt64),
    denied SimpleAggregateFunction(sum, UInt64),
    records SimpleAggregateFunction(sum, UInt64),
    unknown_records SimpleAggregateFunction(sum, UInt64),
    bytes SimpleAggregateFunction(sum, UInt64),
    durations SimpleAggregateFunction(sumMap, Tuple(Array(Int16), Array(UInt64)))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(since)
ORDER BY (dimension, owner, since, value)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS mcp_tool_usage_quarter_hourly_view TO mcp_tool_usage_quarter_hourly AS
SELECT
    owner,
    toStartOfFifteenMinutes(toDateTime(created_at)) AS since,
    key_id,
    tool_name,
    table_names,
    client_name,
    countIf(status != 'denied') AS calls,
    countIf(is_error AND status != 'denied') AS errors,
    countIf(status = 'denied') AS denied,
    sumIf(ifNull(record_count, 0), status != 'denied') AS records,
    countIf(record_count IS NULL AND status != 'denied') AS unknown_records,
    sumIf(response_bytes, status != 'denied') AS bytes,
    minOrNullIf(created_at, status != 'denied') AS first_at,
    maxOrNullIf(created_at, status != 'denied') AS last_at,
    sumMapIf(
        [toInt16(ceil(log(greatest(least(duration_ms, 1e9), 0.001)) / log(1.04)))], [toUInt64(1)], status != 'denied'
    ) AS durations
FROM mcp_tool_usage_log
GROUP BY owner, since, key_id, tool_name, table_names, client_name;

CREATE MATERIALIZED VIEW IF NOT EXISTS mcp_tool_usage_by_dimension_view TO mcp_tool_usage_by_dimension AS
SELECT
    entry.1 AS dimension,
    owner,
    if(dimension = 'total', toStartOfFifteenMinutes(toDateTime(created_at)), toStartOfDay(toDateTime(created_at)))
        AS since,
    entry.2 AS value,
    argMaxState(if(dimension = 'key', toString(mcp_tool_usage_log.key_name), ''), created_at) AS key_name,
    countIf(status != 'denied') AS calls,
    countIf(is_error AND status != 'denied') AS errors,
    countIf(status = 'denied') AS denied,
    sumIf(ifNull(record_count, 0), status != 'denied') AS records,
    countIf(record_count IS NULL AND status != 'denied') AS unknown_records,
    sumIf(response_bytes, status != 'denied') AS bytes,
    sumMapIf(
        [toInt16(ceil(log(greatest(least(duration_ms, 1e9), 0.001)) / log(1.04)))], [toUInt64(1)], status != 'denied'
    ) AS durations
FROM mcp_tool_usage_log
ARRAY JOIN arrayConcat(
    [('total', ''), ('tool', toString(tool_name)), ('key', toString(key_id)), ('client', toString(client_name))],
    arrayMap(name -> ('table', toString(name)), if(empty(table_names), [''], table_names))
) AS entry
GROUP BY dimension, owner, since, value;

-- The rows of earlier versions follow (`fill.py`).
DROP VIEW IF EXISTS mcp_tool_usage_daily_view;
DROP TABLE IF EXISTS mcp_tool_usage_daily;
