"""Usage events: one for each answered `tools/call`, delivered to ClickHouse exactly once.

- `event`: the event and its packed form.
- `denial_count`: the counts of refused requests, which travel in the same stream.
- `producer`: in the gateway workers. Makes events durable, on disk and in a Redis stream.
- `consumer`: in the admin process. Moves them from the stream to ClickHouse, then acknowledges them.
- `store`: the ClickHouse tables, their queries and exports.
- `reconciliation`: checks that every accepted event is accounted for.
- `metrics_sink`: the interface for measurements; an implementation is injected.

Imported by `gateway.proxy`, `admin_api`, `gateway.runtime` and `gateway.cli`. Within: `producer` and `consumer` do not
import each other, `store` imports neither, `consumer` imports `store`, and `reconciliation` is on top.

Begin with `producer.stream` for the way in, and `consumer.writer` for the way out.
"""
