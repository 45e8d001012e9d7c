"""JSON-RPC errors that the gateway itself responds with."""

from __future__ import annotations

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
DENIED = -32001
"""Authentication, authorization and limits (in the server-defined range of JSON-RPC 2.0, section 5.1)."""
HEADER_MISMATCH = -32020
"""`Mcp-Method` or `Mcp-Name` differs from the body (revision 2026-07-28)."""


def error_body(id: object, code: int, message: str) -> bytes:  # noqa: A002
    """Return the JSON of an error response. An id that is not a string or a number becomes `null`."""
    if isinstance(id, bool) or not isinstance(id, (str, int, float)):
        id = None  # noqa: A001
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
