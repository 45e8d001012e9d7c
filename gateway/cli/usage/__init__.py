"""`mcp-gateway usage`: statistics, exports, reconciliation and dead letters.

`commands` registers the commands and is the place to begin reading; `stats`, `readers`, `denials`, `export` and
`dead_letters` implement them. Imported by `gateway.cli.app`.
"""
