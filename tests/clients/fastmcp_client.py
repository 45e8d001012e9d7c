"""`python -m tests.clients.fastmcp_client ITINERARY`: FastMCP as a client, over HTTP or the old HTTP+SSE."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp_types import Implementation

from tests.clients.journey import OnProgress, travel


class FastMcp:
    """A client that is connected."""

    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        result = await self._client.call_tool(name, arguments, progress_handler=on_progress)
        return result.structured_content or "".join(getattr(block, "text", "") for block in result.content)


async def main(itinerary: dict[str, Any]) -> None:
    """Make the journey, and print what was seen."""
    transport = SSETransport if itinerary["transport"] == "sse" else StreamableHttpTransport
    client: Client[Any] = Client(
        transport(itinerary["url"], headers={"Authorization": f"Bearer {itinerary['key']}"}),
        mode=itinerary["era"],
        client_info=Implementation(name=itinerary["client"], version="1"),
    )
    async with client:
        seen = await travel(FastMcp(client), itinerary["legs"])
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
