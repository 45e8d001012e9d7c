"""JSON-RPC error objects, as the gateway itself answers them."""

from __future__ import annotations

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
DENIED = -32001
"""Authentication, authorisation and limits (the server-defined range of JSON-RPC 2.0, section 5.1)."""
HEADER_MISMATCH = -32020
"""`Mcp-Method` or `Mcp-Name` differ from the body (revision 2026-07-28)."""


def error_body(id: object, code: int, message: str) -> bytes:  # noqa: A002
    """The JSON of an error answer. An `id` that no answer may carry (an object, a list, a boolean) becomes `null`."""
    if isinstance(id, bool) or not isinstance(id, (str, int, float)):
        id = None  # noqa: A001
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
