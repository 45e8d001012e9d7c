"""Wire formats, without I/O: JSON-RPC messages and errors, SSE, routing headers, buffers.

Begin with `message_parser`, which parses the body of a POST. Every package may import this one; it imports nothing of
the project.
"""
