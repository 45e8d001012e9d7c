"""The audit log: who did what, when, and from which address.

| module | holds |
| --- | --- |
| `entry` | `AuditEntry`, its packed form, and the fields that an act changed |
| `author` | `Author`: makes the entry that a script adds in the step of the change that it describes |
| `audit_log` | `AuditLog`: entries of acts without a script, and the bound of those that strangers cause |
| `earlier_versions` | moves the entries that earlier versions kept in Redis |

Entries travel in the usage stream and reach ClickHouse as usage events do, exactly once (`gateway.usage.consumer`).
Redis keeps no copy. They are read in ClickHouse (`gateway.usage.store.logs`).

May import `gateway.redis`, `gateway.timestamps` and `gateway.uuid7`. Imported by all packages that change keys and
users, or read the log.
"""
