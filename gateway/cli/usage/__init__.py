"""`mcp-gateway usage`: statistics, exports, reconciliation and dead letters.

`commands` registers the commands and is the place to begin reading; `stats`, `export` and `dead_letters` implement
them. `database` decides where usage is read from: ClickHouse, or the admin process. Imported by `gateway.cli.app`.
"""
