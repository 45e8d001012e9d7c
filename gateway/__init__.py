"""API-key auth and usage metering in front of an unmodified MCP server."""

__version__ = "0.1.0"
