"""The consuming side, in the admin process: from the usage stream into ClickHouse, each event exactly once.

`writer.UsageWriter` is the entry point. Modules, in the order in which a batch meets them:

| module | job |
| --- | --- |
| `stream_consumer`, `batch` | making entries pending, reading the pending set as one batch, acknowledging it |
| `insert_then_ack` | the order of a delivery: look up, insert, acknowledge |
| `exactly_once_insert`, `clickhouse_retry` | inserting until ClickHouse gives a definite result |
| `log_insert` | the same for rows of the other logs that travel in the stream |
| `dead_letters` | events that ClickHouse refuses, and what an operator does with them |
| `read_your_writes` | readers that wait until earlier events are stored |

Imported by `admin_api`, `gateway.runtime`, `gateway.cli` and `gateway.usage.reconciliation`. Imports
`gateway.usage.store`, never `gateway.usage.producer`.
"""
