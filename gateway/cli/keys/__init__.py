"""`mcp-gateway key`: commands that create, show, change, rotate and revoke API keys.

`commands` has the commands and is the place to begin reading; `options` has their options and the conversion to fields
of a key, `output` prints keys. Imported by `gateway.cli.app`.
"""
