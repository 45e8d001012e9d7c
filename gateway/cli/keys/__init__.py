"""`mcp-gateway key`: commands that create, show, change, rotate, suspend, revoke and transfer API keys.

`commands` rotates and changes keys and is the place to begin reading; `creation` creates them, `reading` lists and
shows them, `revocation` ends keys and secrets, `suspension` suspends their use, `transfer` gives them to other owners.
`options` has the options and their conversion to fields of a key; `lookup` finds a key and an owner, `output` prints
keys. Imported by `gateway.cli.app`.
"""
