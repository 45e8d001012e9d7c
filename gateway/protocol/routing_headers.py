"""Compares the routing headers of revision 2026-07-28, `Mcp-Method` and `Mcp-Name`, with the body.

Decisions use the body only. A header that differs from it is rejected, because an intermediary may have routed by it.
Missing headers are left to the upstream.
"""

from __future__ import annotations

import base64
import binascii

from gateway.protocol.message import Body


def find_mismatch(body: Body, mcp_method: str | None, mcp_name: str | None) -> str:
    """Return a message that names the header that differs from the body; empty if none does."""
    if mcp_method is None and mcp_name is None:
        return ""
    if body.is_batch:
        return "Mcp-Method and Mcp-Name cannot describe a batch"
    message = body.messages[0]
    if mcp_method is not None and mcp_method.strip() != message.method:
        return "Mcp-Method header does not match the request body's method"
    if mcp_name is not None and message.routing_name is not None and _decode(mcp_name.strip()) != message.routing_name:
        return "Mcp-Name header does not match the request body"
    return ""


def _decode(value: str) -> str | None:
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
