"""Usage: single calls, statistics, readers of a table, recent calls, refused requests, and reconciliation.

| module | content |
| --- | --- |
| `calls` | history and export |
| `statistics` | sums and percentiles by tool, table, key, time and more |
| `readers` | who read a table |
| `doubts` | calls whose count is too doubtful to report |
| `recent` | the calls of the last seconds |
| `denials` | requests that were refused with 403 or 429 |
| `balance` | reconciliation |
| `parameters` | the filters and periods that they share |
| `field_types`, `examples` | types of fields, and examples for the OpenAPI document |

Responses come from `gateway.usage.store.queries` and `logs`. `calls` is the place to begin reading.
"""
