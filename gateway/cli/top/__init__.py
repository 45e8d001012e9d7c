"""`mcp-gateway top`: live calls, as `top` shows processes.

`command` has the options and fetches the calls, `view` makes the table of them, and `screen` draws it on a terminal
until a key is pressed. Imported by `gateway.cli.app`.
"""
