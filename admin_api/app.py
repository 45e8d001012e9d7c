"""The admin API as an aiohttp application.

What holds for every answer:

- Errors are `application/problem+json`, also for unknown paths, wrong methods and what nobody foresaw.
- A foreign `Host` is refused on a loopback bind (DNS rebinding). No CORS header is ever sent, and bodies must
  be JSON, so that a foreign page can neither read nor write.
- No script, style or frame but our own; nothing of the API is cached.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import hdrs, web

from admin_api import openapi
from admin_api.dependencies import Dependencies
from admin_api.endpoints import audit, auth, health, info, keys, usage, users
from admin_api.http.addresses import host_name
from admin_api.http.endpoint import MAX_BODY_BYTES, Endpoint
from admin_api.http.problem import Problem, problem_of
from admin_api.http.static_files import Asset, load_assets, serve

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *auth.ENDPOINTS,
    *keys.ENDPOINTS,
    *usage.ENDPOINTS,
    *users.ENDPOINTS,
    *audit.ENDPOINTS,
    *info.ENDPOINTS,
)

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_SECURITY_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "mcp-gateway",
}

_PROBES = frozenset({"/healthz", "/readyz"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


def make_app(deps: Dependencies) -> web.Application:
    """The application, to be run by `admin_api.http.connection.Runner`; it opens nothing and closes nothing."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_guard(deps)])
    app.on_response_prepare.append(_secure)
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, _handler(deps, endpoint))
    described = msgspec.json.encode(openapi.document(ENDPOINTS, deps.version))
    app.router.add_get("/api/openapi.json", _fixed(described), allow_head=True)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz(deps))
    assets = load_assets()
    app.router.add_get("/", _asset(assets["index.html"]))
    for name, asset in assets.items():
        if name != "index.html":
            app.router.add_get(f"/assets/{name}", _asset(asset))
    return app


def _handler(deps: Dependencies, endpoint: Endpoint[Any]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await endpoint(deps, request)

    return handler


def _fixed(body: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return handler


def _asset(asset: Asset) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return serve(asset, request)

    return handler


def _guard(deps: Dependencies) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        try:
            _check_host(deps, request)
            response = await handler(request)
        except Exception as error:
            response = problem_of(error, request).response()
        _log.debug(
            "%s %s %d in %.1f ms",
            request.method,
            request.path,
            response.status,
            (time.perf_counter() - started) * 1000,
        )
        return response

    return guard


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


def _check_host(deps: Dependencies, request: web.Request) -> None:
    # Probes come by the machine's address, and their answers tell nothing.
    if deps.allowed_hosts is None or request.path in _PROBES:
        return
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or host_name(hosts[0]) not in deps.allowed_hosts:
        raise Problem(421, "This Host is not served here; GATEWAY_ALLOWED_HOSTS names further ones.")
