"""The routing headers of revision 2026-07-28, `Mcp-Method` and `Mcp-Name`, held against the body.

The decision is made on the body alone; a header that says something else is refused, since whatever stands between
client and upstream may have believed it. Missing headers are for the upstream to judge.
"""

from __future__ import annotations

import base64
import binascii

from gateway.protocol.message import Body


def mismatch(body: Body, mcp_method: str | None, mcp_name: str | None) -> str:
    """Say which header differs from the body; empty where none does."""
    if mcp_method is None and mcp_name is None:
        return ""
    if body.is_batch:
        return "Mcp-Method and Mcp-Name cannot describe a batch"
    message = body.messages[0]
    if mcp_method is not None and mcp_method.strip() != message.method:
        return "Mcp-Method header does not match the request body's method"
    if mcp_name is not None and message.subject is not None and _decoded(mcp_name.strip()) != message.subject:
        return "Mcp-Name header does not match the request body"
    return ""


def _decoded(value: str) -> str | None:
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
