# mypy: ignore-errors
# Written for the 1.x SDK, which is not installed where types are checked.
"""`python -m tests.clients.sdk1_client PLAN`, in a separate environment: the official Python SDK 1.x as a client over
HTTP or the deprecated HTTP+SSE.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import httpx
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.clients.actions import run_actions


class Sdk1:
    def __init__(self, session):
        self._session = session

    async def tools(self):
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        result = await self._session.call_tool(name, arguments, progress_callback=on_progress)
        return result.structuredContent or "".join(getattr(block, "text", "") for block in result.content)


async def main(plan):
    headers = {"Authorization": f"Bearer {plan['key']}"}
    async with AsyncExitStack() as stack:
        if plan["transport"] == "sse":
            read, write = await stack.enter_async_context(sse_client(plan["url"], headers=headers))
        else:
            http = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=20))
            transport = streamable_http_client(plan["url"], http_client=http)
            read, write, _ = await stack.enter_async_context(transport)
        info = types.Implementation(name=plan["client"], version="1")
        session = await stack.enter_async_context(ClientSession(read, write, client_info=info))
        await session.initialize()
        results = await run_actions(Sdk1(session), plan["actions"])
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
