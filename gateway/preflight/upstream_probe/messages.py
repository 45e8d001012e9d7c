"""The messages of a minimal MCP client: handshakes of both generations, and the first message of a response."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

import gateway

PROTOCOL = "2025-11-25"
STATELESS_PROTOCOL = "2026-07-28"
"""The first revision without a handshake; `server/discover` stands in for it."""
ACCEPT = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
_MAX_RESPONSE_BYTES = 4 * 1024 * 1024


def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def initialize(client_name: str) -> dict[str, Any]:
    """Return the handshake of the revisions up to 2025-11-25."""
    client = {"name": client_name, "version": gateway.__version__}
    return request("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client})


def stateless_request(method: str, client_name: str) -> dict[str, Any]:
    """Return a request of revision 2026-07-28, which has no handshake."""
    prefix = "io.modelcontextprotocol/"
    meta = {
        prefix + "protocolVersion": STATELESS_PROTOCOL,
        prefix + "clientInfo": {"name": client_name, "version": gateway.__version__},
        prefix + "clientCapabilities": {},
    }
    return request(method, {"_meta": meta})


def stateless_headers(method: str) -> dict[str, str]:
    """Return the header fields of a request of revision 2026-07-28."""
    return {"MCP-Protocol-Version": STATELESS_PROTOCOL, "Mcp-Method": method}


async def first_message(response: aiohttp.ClientResponse) -> tuple[dict[str, Any], bytes]:
    """Read the first JSON-RPC response of a JSON body or an event stream, empty if there is none, and what was read."""
    body = b""
    async for line in response.content:
        body += line
        if len(body) > _MAX_RESPONSE_BYTES:
            break
        if response.content_type == "text/event-stream" and line.startswith(b"data:"):
            message = _decode(line.removeprefix(b"data:"))
            if "result" in message or "error" in message:
                return message, body
    return _decode(body), body


def printable(text: object) -> str:
    """Shorten text from a server to one printable line."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]) if isinstance(text, str) else ""


def server_name(result: dict[str, Any]) -> str:
    """Return the name of the server in the result of a handshake."""
    info = result.get("serverInfo")
    return printable(info.get("name") if isinstance(info, dict) else None) or "the upstream"


def _decode(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
