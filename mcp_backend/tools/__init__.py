"""The tools of the MCP server. `tables` reads the tables; `analysis` computes from them, with `indicators`.

`parameters` and `results` are the types of the tools' arguments and results. Begin reading at `tables`. Imported by
`mcp_backend.server`.
"""
