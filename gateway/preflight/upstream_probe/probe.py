"""Asks the upstream once: `initialize` or, where that is not understood, `server/discover` or an old event stream.

- Redirects are not followed, as the proxy does not follow them.
- A session that the handshake opens is ended with DELETE.
- The probe takes at most `TIMEOUT` seconds, and a short time to end the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gateway.preflight.upstream_probe import messages
from gateway.preflight.upstream_probe.findings import (
    Finding,
    Received,
    failure_finding,
    final_finding,
    last_finding,
)
from gateway.proxy.upstream.response_check import REDIRECTS

TIMEOUT = 5.0
_END_TIMEOUT = 2.0
"""Seconds to end the session."""
_CLIENT_NAME = "mcp-gateway"


async def probe_upstream(url: str, authorization: str | None) -> Finding:
    """Ask the upstream, with the `Authorization` that the proxy sends, if any."""
    probe = _Probe(url, authorization)
    try:
        async with probe.connected(), asyncio.timeout(TIMEOUT):
            return await probe.ask()
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError, ValueError) as error:
        return failure_finding(error, url)


class _Probe:
    """One probe of one upstream."""

    def __init__(self, url: str, authorization: str | None) -> None:
        self._url = url
        self._target = URL(url, encoded=True)
        self._has_authorization = authorization is not None
        self._headers = {**messages.ACCEPT, "Host": urlsplit(url).netloc.rpartition("@")[2]}
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._session: aiohttp.ClientSession
        self._session_id: str | None = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Provide the HTTP client, and end the MCP session on exit."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT - 0.5)
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session:
            try:
                yield
            finally:
                await self._end_session()

    async def ask(self) -> Finding:
        """Return what the upstream answers."""
        received = await self._post(messages.initialize(_CLIENT_NAME), {})
        finding = self._final(received)
        if finding is None and received.has_no_endpoint and await self._has_old_transport():
            finding = Finding("answers with the HTTP+SSE transport, MCP 2024-11-05")
        if finding is None and not received.has_no_endpoint:
            discover = messages.stateless_request("server/discover", _CLIENT_NAME)
            later = await self._post(discover, messages.stateless_headers("server/discover"))
            if later.result is not None:
                finding = Finding(f"answers: {messages.server_name(later.result)}, MCP {messages.STATELESS_PROTOCOL}")
        return finding or last_finding(received, self._url)

    def _final(self, received: Received) -> Finding | None:
        return final_finding(received, self._url, has_authorization=self._has_authorization)

    async def _post(self, message: dict[str, Any], headers: dict[str, str]) -> Received:
        async with self._session.post(
            self._target, json=message, headers={**self._headers, **headers}, allow_redirects=False
        ) as response:
            self._session_id = response.headers.get("Mcp-Session-Id", self._session_id)
            location = response.headers.get("Location", "")
            if response.status in REDIRECTS:
                return Received(response.status, location, "", {}, b"")
            first, body = await messages.first_message(response)
            return Received(response.status, location, response.headers.get("Content-Type", ""), first, body)

    async def _has_old_transport(self) -> bool:
        """Return True if a GET opens an event stream that names an address for messages."""
        headers = {**self._headers, "Accept": "text/event-stream"}
        async with self._session.get(self._target, headers=headers, allow_redirects=False) as response:
            if response.status != 200 or response.content_type != "text/event-stream":
                return False
            async for line in response.content:
                if line.strip() == b"event: endpoint":
                    return True
        return False

    async def _end_session(self) -> None:
        if self._session_id is None:
            return
        headers = {**self._headers, "Mcp-Session-Id": self._session_id}
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
            async with (
                asyncio.timeout(_END_TIMEOUT),
                self._session.delete(self._target, headers=headers, allow_redirects=False),
            ):
                pass
