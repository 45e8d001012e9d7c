"""What the dashboard needs to know of the installation."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import Caller, Endpoint, Nothing


class Info(msgspec.Struct, frozen=True):
    """The gateway's version, and the URL that MCP clients use."""

    version: str
    proxy_url: str


async def read_info(deps: Dependencies, caller: Caller, given: Nothing) -> Info:
    """The proxy listens on the host that this API was reached by, on a port of its own."""
    host = f"[{caller.host}]" if ":" in caller.host else caller.host
    return Info(deps.version, f"http://{host}:{deps.proxy_port}{deps.proxy_path}")


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/info",
        summary="Version, and the URL for MCP clients",
        access="user",
        takes=Nothing,
        handler=read_info,
        answers=Info,
    ),
)
