"""`mcp-gateway metering`: explanations and reports of counts, and suggested rules.

`commands` registers the commands and is the place to begin reading; `explain`, `report` and `suggest` implement
them, `call_file` reads a recorded call. Imported by `gateway.cli.app`.
"""
