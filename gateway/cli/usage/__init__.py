"""`mcp-gateway usage`: `commands` registers the commands; `stats`, `export` and `dead_letters` implement them.

`database` decides where usage is read from: ClickHouse, or the admin process.
"""
