"""`python -m tests.clients.sdk2_client PLAN`: the official Python SDK, 2.x, as a client over HTTP or the
deprecated HTTP+SSE.
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

from tests.clients.actions import OnProgress, run_actions


class Sdk2:
    """A connected client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        result = await self._client.call_tool(name, arguments, progress_callback=on_progress)
        return result.structured_content or "".join(getattr(block, "text", "") for block in result.content)


async def main(plan: dict[str, Any]) -> None:
    """Run the plan and print the results."""
    headers = {"Authorization": f"Bearer {plan['key']}"}
    async with AsyncExitStack() as stack:
        if plan["transport"] == "sse":
            transport = sse_client(plan["url"], headers=headers)
        else:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=20))
            transport = streamable_http_client(plan["url"], http_client=http)
        info = Implementation(name=plan["client"], version="1")
        client = await stack.enter_async_context(Client(transport, mode=plan["era"], client_info=info))
        results = await run_actions(Sdk2(client), plan["actions"])
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
