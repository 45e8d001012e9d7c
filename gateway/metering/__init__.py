"""Which tables and how many records a tool call read; pure and bounded."""
