"""`python -m tests.clients.sdk2_client ITINERARY`: the official Python SDK, 2.x, as a client over HTTP or the
old HTTP+SSE.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from tests.clients.journey import OnProgress, travel


class Sdk2:
    """A client that is connected."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        result = await self._client.call_tool(name, arguments, progress_callback=on_progress)
        return result.structured_content or "".join(getattr(block, "text", "") for block in result.content)


async def main(itinerary: dict[str, Any]) -> None:
    """Make the journey, and print what was seen."""
    headers = {"Authorization": f"Bearer {itinerary['key']}"}
    async with AsyncExitStack() as stack:
        if itinerary["transport"] == "sse":
            transport = sse_client(itinerary["url"], headers=headers)
        else:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=20))
            transport = streamable_http_client(itinerary["url"], http_client=http)
        info = Implementation(name=itinerary["client"], version="1")
        client = await stack.enter_async_context(Client(transport, mode=itinerary["era"], client_info=info))
        seen = await travel(Sdk2(client), itinerary["legs"])
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
