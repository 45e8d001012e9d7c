"""A receiver of alerts on a real socket, which can refuse and be stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.alerts.webhook import WebhookAddress

SECRET = "a secret that both sides know"


class Received(NamedTuple):
    """A request to the receiver."""

    body: bytes
    headers: dict[str, str]

    @property
    def alert(self) -> dict[str, Any]:
        """Return the decoded body."""
        alert: dict[str, Any] = json.loads(self.body)
        return alert


class Receiver:
    """Answers every request with `status`, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.status = 200
        self.holds: asyncio.Event | None = None
        """Requests are answered after this event, if there is one."""
        self.arrived = asyncio.Event()
        self._server: TestServer | None = None
        self._port = 0

    async def start(self) -> None:
        """Accept connections, after a stop on the same port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(app, port=self._port or None)
        await self._server.start_server()
        assert self._server.port is not None
        self._port = self._server.port

    async def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    def address(self, path: str = "/hook/T0KEN", secret: str | None = SECRET) -> WebhookAddress:
        """Return the address of the receiver."""
        return WebhookAddress(f"http://127.0.0.1:{self._port}{path}", secret)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts of all requests."""
        return [request.alert for request in self.requests]

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(Received(await request.read(), dict(request.headers)))
        self.arrived.set()
        if self.holds is not None:
            await self.holds.wait()
        headers = {"Location": "/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=headers, text="a body that nobody reads")


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """Run a receiver for the duration of the context."""
    receiver = Receiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
