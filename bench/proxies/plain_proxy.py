"""A minimal proxy: aiohttp's server and aiohttp's client, and nothing else.

    python -m bench.proxies.plain_proxy PORT UPSTREAM_PORT

It has no keys, no metering and no checks, but like the gateway it uses uvloop and keep-alive connections.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

_HOP_BY_HOP = {"connection", "host", "transfer-encoding"}


async def _application(upstream: str) -> web.Application:
    application = web.Application(client_max_size=4 << 20)

    async def sessions(_: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=0, keepalive_timeout=3600)
        timeout = ClientTimeout(total=None)
        async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            application[_SESSION] = session
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read()
        session = request.app[_SESSION]
        async with session.request(request.method, upstream, headers=headers, data=body or None) as upstream_response:
            headers = {
                name: value for name, value in upstream_response.headers.items() if name.lower() not in _HOP_BY_HOP
            }
            response = web.StreamResponse(status=upstream_response.status, headers=headers)
            await response.prepare(request)
            async for chunk in upstream_response.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    application.cleanup_ctx.append(sessions)
    application.router.add_route("*", "/mcp", forward)
    return application


_SESSION = web.AppKey("session", ClientSession)


def main() -> None:
    """Serve until SIGTERM."""
    port, upstream_port = map(int, sys.argv[1:])
    application = _application(f"http://127.0.0.1:{upstream_port}/mcp")
    loop = uvloop.new_event_loop()
    # It does not detect that a listening client has disconnected, and would wait for the upstream stream to end.
    web.run_app(
        application,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=None,
        loop=loop,
        keepalive_timeout=3600,
        shutdown_timeout=0.1,
    )


if __name__ == "__main__":
    main()
