"""The tools of the MCP server, which `mcp_backend.server` registers.

- `tables`: reads the tables. Begin reading here.
- `analysis`: computes from the prices, with `indicators`.
- `parameters`, `results`: the types of the arguments and the results, from which the SDK makes the schemas.

Imports `mcp_backend.queries`, `database`, `coverage`, `schema` and `errors`. Imported by `mcp_backend.server` only.
"""
