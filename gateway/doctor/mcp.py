"""A minimal MCP client: handshake, list of tools, end of the session."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urljoin

import aiohttp

from gateway.preflight.upstream_probe.messages import (
    ACCEPT,
    PROTOCOL,
    STATELESS_PROTOCOL,
    first_message,
    initialize,
    printable,
    request,
    server_name,
    stateless_headers,
    stateless_request,
)

_CLIENT_NAME = "mcp-gateway doctor"
_FIXES = {
    403: "pass another key with --key, or change this one with `mcp-gateway key update`",
    404: "check the path of the URL, and see the check of the upstream",
    421: "add the host of the URL to GATEWAY_ALLOWED_HOSTS, or see the check of the upstream",
    429: "wait, or raise the limit with `mcp-gateway key update`",
}


class RoundTripError(Exception):
    """The server responded with an error, or not with MCP."""

    def __init__(self, finding: str, fix: str, *, is_rpc_error: bool = False) -> None:
        self.finding = finding
        self.fix = fix
        self.is_rpc_error = is_rpc_error
        """True if the server has understood the request, and refuses it."""
        super().__init__(finding)


class Server(NamedTuple):
    """The server that answered the handshake."""

    title: str
    protocol: str
    session_id: str | None


async def status_without_key(session: aiohttp.ClientSession, url: str) -> int:
    """Return the HTTP status of `tools/list` without a key."""
    message = request("tools/list", {})
    async with session.post(url, json=message, headers=ACCEPT, allow_redirects=False) as response:
        return response.status


async def handshake(session: aiohttp.ClientSession, url: str, key: str | None) -> Server:
    """Send `initialize` or, if that is refused, `server/discover`. Raises `RoundTripError`."""
    try:
        result, session_id = await _send(session, url, initialize(_CLIENT_NAME), _authorization(key))
    except RoundTripError as error:
        if not error.is_rpc_error:
            raise
        discover = stateless_request("server/discover", _CLIENT_NAME)
        headers = {**_authorization(key), **stateless_headers("server/discover")}
        result, session_id = await _send(session, url, discover, headers)
        return Server(server_name(result), STATELESS_PROTOCOL, session_id)
    protocol = result.get("protocolVersion")
    return Server(server_name(result), protocol if isinstance(protocol, str) else PROTOCOL, session_id)


async def count_tools(session: aiohttp.ClientSession, url: str, key: str, server: Server) -> int:
    """Count the tools on the first page of `tools/list`, and end the session. Raises `RoundTripError`."""
    if server.protocol == STATELESS_PROTOCOL:
        headers = {**_authorization(key), **stateless_headers("tools/list")}
        result, _ = await _send(session, url, stateless_request("tools/list", _CLIENT_NAME), headers)
        return _length(result.get("tools"))
    headers = {**_authorization(key), "MCP-Protocol-Version": server.protocol}
    if server.session_id is not None:
        headers["Mcp-Session-Id"] = server.session_id
    try:
        notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with session.post(url, json=notification, headers={**ACCEPT, **headers}, allow_redirects=False):
            pass
        result, _ = await _send(session, url, request("tools/list", {}), headers)
    finally:
        if server.session_id is not None:
            async with session.delete(url, headers=headers, allow_redirects=False):
                pass
    return _length(result.get("tools"))


def _length(tools: object) -> int:
    return len(tools) if isinstance(tools, list) else 0


def _authorization(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


async def _send(
    session: aiohttp.ClientSession, url: str, message: dict[str, Any], headers: dict[str, str]
) -> tuple[dict[str, Any], str | None]:
    """Send a request; return its result and the id of the session. Raises `RoundTripError`."""
    async with session.post(url, json=message, headers={**ACCEPT, **headers}, allow_redirects=False) as response:
        return await _result(response), response.headers.get("Mcp-Session-Id")


async def _result(response: aiohttp.ClientResponse) -> dict[str, Any]:
    if 300 <= response.status < 400:
        target = printable(urljoin(str(response.url), response.headers.get("Location", "")))
        raise RoundTripError(f"{response.url} redirects to {target}", "pass that as --url, or see what stands in front")
    message, _ = await first_message(response)
    error = message.get("error")
    reason = printable(error.get("message")) if isinstance(error, dict) else ""
    if response.status == 401:
        raise RoundTripError(
            f"the key is rejected: {reason}", "pass another key with --key, or check it with `mcp-gateway key show`"
        )
    if response.status >= 400 or error is not None:
        raise RoundTripError(
            f"the response is {response.status}: {reason or 'no reason given'}",
            _FIXES.get(response.status, "see the check of the upstream, and the log of the proxy"),
            is_rpc_error=error is not None and response.status < 500,
        )
    result = message.get("result")
    if not isinstance(result, dict):
        raise RoundTripError(
            "the response is not a JSON-RPC result", "check that GATEWAY_UPSTREAM_URL is an MCP endpoint"
        )
    return result
