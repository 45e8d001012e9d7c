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
    """Return the version and the proxy's URL: the host by which this API was reached, with the proxy's port."""
    host = f"[{caller.host}]" if ":" in caller.host else caller.host
    return Info(deps.version, f"http://{host}:{deps.proxy_port}{deps.proxy_path}")


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
