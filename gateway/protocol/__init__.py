"""JSON-RPC and SSE as pure functions: reading a message, what is public, error objects, splitting a stream."""
