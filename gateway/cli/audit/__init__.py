"""`mcp-gateway audit`: who did what. `commands` is the place to begin reading."""
