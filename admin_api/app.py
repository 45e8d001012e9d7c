"""The admin API as an aiohttp application.

- Errors are `application/problem+json`, including unknown paths, wrong methods and unexpected exceptions.
- On a loopback bind, requests for a foreign `Host` are rejected (DNS rebinding). No CORS header is sent, and bodies
  must be JSON, so a foreign page can neither read nor write.
- The Content-Security-Policy allows only the dashboard's own files; responses of the API are not cached.
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
from admin_api.endpoints import alerts, audit, health, info
from admin_api.endpoints.auth import acceptance, login, sessions
from admin_api.endpoints.keys import changes, creation, reading, revocation, suspension, transfer
from admin_api.endpoints.system import dead_letters, status
from admin_api.endpoints.usage import balance, calls, denials, doubts, readers, recent, statistics
from admin_api.endpoints.users import endpoints as users
from admin_api.endpoints.users import links
from admin_api.http.addresses import host_name
from admin_api.http.endpoint import MAX_BODY_BYTES, Endpoint
from admin_api.http.problem import Problem, to_problem
from admin_api.http.static_files import Asset, load_assets, serve_asset
from gateway.refused_hosts import RefusedHosts

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    *login.ENDPOINTS,
    *sessions.ENDPOINTS,
    *acceptance.ENDPOINTS,
    *creation.ENDPOINTS,
    *reading.ENDPOINTS,
    *changes.ENDPOINTS,
    *revocation.ENDPOINTS,
    *suspension.ENDPOINTS,
    *transfer.ENDPOINTS,
    *calls.ENDPOINTS,
    *statistics.ENDPOINTS,
    *readers.ENDPOINTS,
    *doubts.ENDPOINTS,
    *recent.ENDPOINTS,
    *denials.ENDPOINTS,
    *balance.ENDPOINTS,
    *users.ENDPOINTS,
    *links.ENDPOINTS,
    *audit.ENDPOINTS,
    *alerts.ENDPOINTS,
    *status.ENDPOINTS,
    *dead_letters.ENDPOINTS,
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
    """Return the application. Run it with `admin_api.http.connection.Runner`; it does not own its dependencies."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_error_middleware(deps)])
    app.on_response_prepare.append(_add_security_headers)
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, _handler(deps, endpoint))
    document = msgspec.json.encode(openapi.document(ENDPOINTS, deps.version, deps.admin_public_url))
    app.router.add_get("/api/openapi.json", _serve_json(document), allow_head=True)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz(deps))
    assets = load_assets()
    app.router.add_get("/", _serve_asset(assets["index.html"]))
    for name, asset in assets.items():
        if name != "index.html":
            app.router.add_get(f"/assets/{name}", _serve_asset(asset))
    return app


def _handler(deps: Dependencies, endpoint: Endpoint[Any]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await endpoint(deps, request)

    return handler


def _serve_json(body: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return handler


def _serve_asset(asset: Asset) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return serve_asset(asset, request)

    return handler


def _error_middleware(deps: Dependencies) -> Any:
    """Return the middleware that checks the `Host` and turns every exception into a problem response."""
    refused_hosts = RefusedHosts(_log)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        try:
            _check_host(deps, request, refused_hosts)
            response = await handler(request)
        except Exception as error:
            response = to_problem(error, request).response()
        _log.debug(
            "%s %s %d in %.1f ms",
            request.method,
            request.path,
            response.status,
            (time.perf_counter() - started) * 1000,
        )
        return response

    return middleware


async def _add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


def _check_host(deps: Dependencies, request: web.Request, refused_hosts: RefusedHosts) -> None:
    # Probes use the address of the host, and their responses contain nothing confidential.
    if deps.allowed_hosts is None or request.path in _PROBES:
        return
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or host_name(hosts[0]) not in deps.allowed_hosts:
        refused_hosts.warn(", ".join(hosts))
        raise Problem(421, "This Host is not allowed. Add it to GATEWAY_ALLOWED_HOSTS.")
