"""A real MCP round trip, as small as can be: handshake, tools, good-bye."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import aiohttp

import gateway

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read."""
_PROTOCOL = "2025-06-18"
_ACCEPT = {"Accept": "application/json, text/event-stream"}


class RoundTripError(Exception):
    """The other side answered, but not as it should."""

    def __init__(self, problem: str, mend: str) -> None:
        self.problem = problem
        self.mend = mend
        super().__init__(problem)


class Server(NamedTuple):
    """What answered the handshake."""

    title: str
    session_id: str | None


async def status_without_key(session: aiohttp.ClientSession, url: str) -> int:
    """The HTTP status of `tools/list` without a key."""
    async with session.post(url, json=_request("tools/list", {}), headers=_ACCEPT) as answer:
        return answer.status


async def handshake(session: aiohttp.ClientSession, url: str, key: str | None) -> Server:
    """Send `initialize`. Raises `RoundTripError`."""
    params = {
        "protocolVersion": _PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "mcp-gateway doctor", "version": gateway.__version__},
    }
    async with session.post(url, json=_request("initialize", params), headers=_headers(key, None)) as answer:
        result = await _result(answer)
        session_id = answer.headers.get("Mcp-Session-Id")
    info = result.get("serverInfo")
    name = info.get("name") if isinstance(info, dict) else None
    return Server(_printable(name) or "the upstream", session_id)


async def count_tools(session: aiohttp.ClientSession, url: str, key: str, server: Server) -> int:
    """How many tools the first page of `tools/list` has; ends the session. Raises `RoundTripError`."""
    headers = _headers(key, server.session_id)
    try:
        notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with session.post(url, json=notification, headers=headers):
            pass
        async with session.post(url, json=_request("tools/list", {}), headers=headers) as answer:
            tools = (await _result(answer)).get("tools")
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


async def _result(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    message = await _message(answer)
    error = message.get("error")
    said = _printable(error.get("message")) if isinstance(error, dict) else ""
    if answer.status == 401:
        raise RoundTripError(f"the key is refused: {said}", "give another with --key, or see its status: key show")
    if answer.status >= 400 or error is not None:
        raise RoundTripError(f"the answer is {answer.status}: {said or 'no reason given'}", "see the proxy's log")
    result = message.get("result")
    if not isinstance(result, dict):
        raise RoundTripError("the answer is no JSON-RPC result", "see that GATEWAY_UPSTREAM_URL is an MCP endpoint")
    return result


async def _message(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """The first JSON-RPC response of an answer, be it JSON or an event stream."""
    read = b""
    async for line in answer.content:
        read += line
        if len(read) > MAX_ANSWER:
            break
        if answer.content_type == "text/event-stream" and line.startswith(b"data:"):
            message = _decoded(line.removeprefix(b"data:"))
            if "result" in message or "error" in message:
                return message
    return _decoded(read)


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _printable(text: object) -> str:
    """What another side says, fit for one line of a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]) if isinstance(text, str) else ""
