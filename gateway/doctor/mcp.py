"""A minimal MCP client: handshake, list of tools, end of the session."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import aiohttp

import gateway

_MAX_RESPONSE_BYTES = 4 * 1024 * 1024
_PROTOCOL = "2025-06-18"
_ACCEPT = {"Accept": "application/json, text/event-stream"}


class RoundTripError(Exception):
    """The server responded with an error, or not with MCP."""

    def __init__(self, finding: str, fix: str) -> None:
        self.finding = finding
        self.fix = fix
        super().__init__(finding)


class Server(NamedTuple):
    """The server that answered the handshake."""

    title: str
    session_id: str | None


async def status_without_key(session: aiohttp.ClientSession, url: str) -> int:
    """Return the HTTP status of `tools/list` without a key."""
    async with session.post(url, json=_request("tools/list", {}), headers=_ACCEPT) as response:
        return response.status


async def handshake(session: aiohttp.ClientSession, url: str, key: str | None) -> Server:
    """Send `initialize`. Raises `RoundTripError`."""
    params = {
        "protocolVersion": _PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "mcp-gateway doctor", "version": gateway.__version__},
    }
    async with session.post(url, json=_request("initialize", params), headers=_headers(key, None)) as response:
        result = await _result(response)
        session_id = response.headers.get("Mcp-Session-Id")
    info = result.get("serverInfo")
    name = info.get("name") if isinstance(info, dict) else None
    return Server(_printable(name) or "the upstream", session_id)


async def count_tools(session: aiohttp.ClientSession, url: str, key: str, server: Server) -> int:
    """Count the tools on the first page of `tools/list`, and end the session. Raises `RoundTripError`."""
    headers = _headers(key, server.session_id)
    try:
        notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with session.post(url, json=notification, headers=headers):
            pass
        async with session.post(url, json=_request("tools/list", {}), headers=headers) as response:
            tools = (await _result(response)).get("tools")
    finally:
        if server.session_id is not None:
            async with session.delete(url, headers=headers):
                pass
    return len(tools) if isinstance(tools, list) else 0


def _request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _headers(key: str | None, session_id: str | None) -> dict[str, str]:
    headers = {**_ACCEPT, "MCP-Protocol-Version": _PROTOCOL}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    if session_id is not None:
        headers["Mcp-Session-Id"] = session_id
    return headers


async def _result(response: aiohttp.ClientResponse) -> dict[str, Any]:
    message = await _first_message(response)
    error = message.get("error")
    reason = _printable(error.get("message")) if isinstance(error, dict) else ""
    if response.status == 401:
        raise RoundTripError(
            f"the key is rejected: {reason}", "pass another key with --key, or check it with `mcp-gateway key show`"
        )
    if response.status >= 400 or error is not None:
        raise RoundTripError(
            f"the response is {response.status}: {reason or 'no reason given'}", "check the log of the proxy"
        )
    result = message.get("result")
    if not isinstance(result, dict):
        raise RoundTripError(
            "the response is not a JSON-RPC result", "check that GATEWAY_UPSTREAM_URL is an MCP endpoint"
        )
    return result


async def _first_message(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Read the first JSON-RPC response of a JSON body or an event stream."""
    body = b""
    async for line in response.content:
        body += line
        if len(body) > _MAX_RESPONSE_BYTES:
            break
        if response.content_type == "text/event-stream" and line.startswith(b"data:"):
            message = _decode(line.removeprefix(b"data:"))
            if "result" in message or "error" in message:
                return message
    return _decode(body)


def _decode(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _printable(text: object) -> str:
    """Shorten text from the server to one printable line."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]) if isinstance(text, str) else ""
