"""A reverse proxy that serves another server below a prefix, which it removes from the path."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer


@contextlib.asynccontextmanager
async def prefix_proxy(prefix: str, target: str) -> AsyncIterator[str]:
    """Run the proxy in front of the server at `target`; yield the URL of its prefix, with a slash at the end."""
    async with aiohttp.ClientSession() as session:

        async def forward(request: web.Request) -> web.Response:
            url = target + request.raw_path.removeprefix(prefix)
            fields = {**request.headers, "X-Forwarded-Prefix": prefix}
            async with session.request(request.method, url, data=await request.read(), headers=fields) as response:
                kept = {name: value for name, value in response.headers.items() if name != "Content-Length"}
                return web.Response(status=response.status, body=await response.read(), headers=kept)

        app = web.Application()
        app.router.add_route("*", prefix + "/{path:.*}", forward)
        async with TestServer(app) as server:
            yield str(server.make_url(prefix + "/"))
