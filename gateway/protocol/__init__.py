"""Wire formats, without I/O.

- `message`, `message_parser`, `lenient_json`, `errors`: JSON-RPC messages and error objects.
- `routing_headers`, `http_sse_endpoint`: the parts of MCP's HTTP transports that are not JSON.
- `sse_splitter`: splits a stream of server-sent events; `sse_event`: the fields of one event.
- `forwarded`: the client's address behind trusted proxies.
- `buffers`, `head_template`: bytes that are not copied, and heads that are not parsed again.

Imports no other package of the project; the table in tests/test_imports.py says which packages import it. Begin reading
in `message_parser`, which parses the body of a POST.
"""
