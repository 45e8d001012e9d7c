"""`python -m tests.clients.sdk2_client PLAN`: the official Python SDK, 2.x, as a client over HTTP or the
deprecated HTTP+SSE.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp.client import Client
from mcp.client.sse import sse_client
from mcp_types import Implementation

from tests.clients.actions import OnProgress, run_actions
from tests.support import sdk2_client


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
    async with _connected(plan) as client:
        results = await run_actions(Sdk2(client), plan["actions"])
    print(json.dumps(results))


def _connected(plan: dict[str, Any]) -> AbstractAsyncContextManager[Client]:
    info = Implementation(name=plan["client"], version="1")
    if plan["transport"] == "sse":
        transport = sse_client(plan["url"], headers={"Authorization": f"Bearer {plan['key']}"})
        return Client(transport, mode=plan["era"], client_info=info)
    return sdk2_client.connected(plan["url"], plan["key"], plan["era"], info=info)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
