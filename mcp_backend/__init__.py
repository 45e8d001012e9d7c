"""A demo MCP server with real daily stock prices; it knows nothing of the gateway."""
