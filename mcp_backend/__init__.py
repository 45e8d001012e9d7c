"""A demo MCP server with real daily stock prices, on the official SDK. It knows nothing of the gateway.

| module | content |
| --- | --- |
| `__main__` | the command line |
| `http_server` | the listening socket and uvicorn |
| `server` | the MCP server: tools, resources, prompt, completions; begin reading here |
| `tools/` | the tools, their parameters and results |
| `queries`, `database` | SQL queries, and bounded read-only access to SQLite |
| `prices`, `schema`, `coverage` | the source of the prices, the tables, and the symbols and dates with data |

Imports no other package of the project; the gateway starts it as a process.
"""
