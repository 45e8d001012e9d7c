"""Facts about the installation, for the dashboard."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing


class Info(msgspec.Struct, frozen=True):
    """The version of the gateway, and the URL for MCP clients."""

    version: str
    proxy_url: str


async def read_info(deps: Dependencies, caller: ApiCaller, params: Nothing) -> Info:
    """Return the version and the URL for clients."""
    return Info(deps.version, deps.public_url or _proxy_url(deps, caller.host))


def _proxy_url(deps: Dependencies, host: str) -> str:
    """Return the URL of the proxy's port on the host by which this API was reached."""
    return f"http://{f'[{host}]' if ':' in host else host}:{deps.proxy_port}{deps.proxy_path}"


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/info",
        summary="Version, and the URL for MCP clients",
        access="user",
        params=Nothing,
        handler=read_info,
        response=Info,
    ),
)
