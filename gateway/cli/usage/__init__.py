"""`mcp-gateway usage`: statistics, exports, reconciliation and dead letters.

`commands` registers the commands and is the place to begin reading; `stats`, `readers`, `denials`, `export` and
`dead_letters` implement them, `period` has the options for periods. `database` decides where usage is read from:
ClickHouse, or the admin process. Imported by `gateway.cli.app`.
"""
