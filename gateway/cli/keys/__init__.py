"""`mcp-gateway key`: commands that create, show, change, rotate, suspend and revoke API keys.

`commands` creates, rotates and changes keys and is the place to begin reading; `reading` lists and shows them,
`suspension` ends or suspends their use. `options` has the options and their conversion to fields of a key; `lookup`
finds a key, `output` prints keys.
Imported by `gateway.cli.app`.
"""
