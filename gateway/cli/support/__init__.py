"""Parts that several commands share. Every module of `gateway.cli` may import them; they import no command.

| module | content |
| --- | --- |
| `stores` | users, keys and the audit log; begin reading here |
| `admin_client` | requests to the admin API of a running `up` |
| `usage_table` | where usage is read from: ClickHouse, or the admin process |
| `options`, `period` | options of several commands, and those for a period of time |
| `output` | tables, JSON, and the error that ends a command |
| `completion`, `confirmation` | values that shells complete; questions before what cannot be undone |
| `export` | writing exports to a file |
"""
