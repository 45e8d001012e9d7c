"""`mcp-gateway key`: `commands` has the commands, `options` their options, `output` the way keys are printed."""
