"""Parts that several commands share. Every module of `gateway.cli` may import them; they import no command.

| module | content |
| --- | --- |
| `stores` | users, keys and the audit log; begin reading here |
| `admin_client` | requests to the admin API of a running `up` |
| `options`, `output` | options of several commands; tables, JSON, and the error that ends a command |
| `completion`, `confirmation` | values that shells complete; questions before what cannot be undone |
| `export` | writing exports to a file |
"""
