"""The usage table in ClickHouse or chDB: schema, inserts, queries, exports.

`table.UsageTable` is the entry point: connections (`connection`), threads and error translation (`errors`). On top:

| module | job |
| --- | --- |
| `queries`, `models` | the history and the statistics, in the response shapes of the admin API |
| `export`, `export_stream`, `restore` | single calls as a file, and back |
| `lookup`, `roll_up` | for the writer: which events are stored, and repairing the roll-ups |
| `columns`, `migrations` | the columns, and the numbered migrations with retention and cluster tables |

Imported by `gateway.usage.consumer`, `gateway.usage.reconciliation`, `admin_api`, `gateway.runtime` and `gateway.cli`.
Imports `gateway.usage.event`, and neither `gateway.usage.producer` nor `gateway.usage.consumer`. Begin with `table`.
"""
