"""`python -m tests.clients.fastmcp_client PLAN`: FastMCP as a client, over HTTP or the deprecated HTTP+SSE."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp_types import Implementation

from tests.clients.actions import OnProgress, run_actions
from tests.support import fastmcp_client


class FastMcp:
    """A connected client."""

    def __init__(self, client: Client[Any]) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        result = await self._client.call_tool(name, arguments, progress_handler=on_progress)
        return result.structured_content or "".join(getattr(block, "text", "") for block in result.content)


async def main(plan: dict[str, Any]) -> None:
    """Run the plan and print the results."""
    transport = SSETransport if plan["transport"] == "sse" else StreamableHttpTransport
    info = Implementation(name=plan["client"], version="1")
    async with fastmcp_client.connected(
        plan["url"], plan["key"], plan["era"], transport=transport, info=info
    ) as client:
        results = await run_actions(FastMcp(client), plan["actions"])
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
