# mypy: ignore-errors
# Written for the 1.x SDK, which is not installed where types are checked.
"""`python -m tests.clients.sdk1_client PLAN`, in a separate environment: the official Python SDK 1.x as a client over
HTTP or the deprecated HTTP+SSE.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from mcp import ClientSession, types
from mcp.client.sse import sse_client

from tests.clients.actions import run_actions
from tests.support import sdk1_script


class Sdk1:
    def __init__(self, session):
        self._session = session

    async def tools(self):
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        result = await self._session.call_tool(name, arguments, progress_callback=on_progress)
        return result.structuredContent or "".join(getattr(block, "text", "") for block in result.content)


@contextlib.asynccontextmanager
async def opened(plan):
    if plan["transport"] != "sse":
        async with sdk1_script.opened(plan["url"], plan["key"], plan["client"], "1") as (session, _):
            yield session
        return
    headers = {"Authorization": f"Bearer {plan['key']}"}
    info = types.Implementation(name=plan["client"], version="1")
    async with (
        sse_client(plan["url"], headers=headers) as (read, write),
        ClientSession(read, write, client_info=info) as session,
    ):
        yield session


async def main(plan):
    async with opened(plan) as session:
        await session.initialize()
        results = await run_actions(Sdk1(session), plan["actions"])
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
