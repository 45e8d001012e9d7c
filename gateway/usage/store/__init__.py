"""The usage table in ClickHouse or chDB: schema, inserts, queries, exports.

`table.UsageTable` is the entry point: connections (`connection`), threads and error translation (`errors`). On top:

| module | job |
| --- | --- |
| `queries` | the history, statistics, readers and recent calls, in the response shapes of the admin API |
| `logs` | the audit log and the counts of refused requests |
| `export`, `export_stream`, `formats`, `restore` | single calls as a file, and back |
| `lookup`, `roll_up`, `difference` | for the writer: looking up stored events, and repairing the roll-ups |
| `columns`, `names`, `migrations` | columns and names of tables; numbered migrations, retention and cluster tables |

Imported by `gateway.usage.consumer`, `gateway.usage.reconciliation`, `admin_api`, `gateway.runtime` and `gateway.cli`.
Imports `gateway.usage.event`, and neither `gateway.usage.producer` nor `gateway.usage.consumer`. Begin with `table`.
"""
