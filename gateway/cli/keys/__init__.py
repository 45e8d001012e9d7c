"""`mcp-gateway key`: commands that create, show, change, rotate, suspend and revoke API keys.

`commands` has most of the commands and is the place to begin reading; `suspension` has those that end or suspend the
use of a key, `options` the options and their conversion to fields of a key; `lookup` finds a key, `output` prints keys.
Imported by `gateway.cli.app`.
"""
