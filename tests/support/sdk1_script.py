# mypy: ignore-errors
# Written for the 1.x SDK, which is not installed where types are checked.
"""A client on the official Python SDK 1.x, run in a separate virtual environment.

Reads one line of JSON (`url`, `key`, `plan`, `hold`), runs the scenario, and prints the report as JSON. With `hold`, it
then keeps the session open until a second line on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client


async def run_scenario(session: ClientSession, initialized: types.InitializeResult, plan: dict) -> dict:
    """Run the scenario and return its report."""
    tools = await session.list_tools()
    query = await session.call_tool(*plan["query"])
    progress = []
    started = time.monotonic()

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append({"at": time.monotonic() - started, "done": done, "total": total})

    long = await session.call_tool(*plan["long"], progress_callback=on_progress)
    long_seconds = time.monotonic() - started
    bad = await session.call_tool(*plan["bad"])
    assert bad.isError
    symbols, profile = [(await session.read_resource(uri)).contents[0].text for uri in plan["resources"]]
    return {
        "protocol_version": initialized.protocolVersion,
        "server_name": initialized.serverInfo.name,
        "tools": [tool.name for tool in tools.tools],
        "query": query.structuredContent,
        "long": long.structuredContent,
        "long_seconds": long_seconds,
        "progress": progress,
        "error": bad.content[0].text,
        "resources": [str(each.uri) for each in (await session.list_resources()).resources],
        "templates": [each.uriTemplate for each in (await session.list_resource_templates()).resourceTemplates],
        "symbols": symbols,
        "profile": profile,
        "prompts": [each.name for each in (await session.list_prompts()).prompts],
        "prompt": (await session.get_prompt(*plan["prompt"])).messages[0].content.text,
    }


@contextlib.asynccontextmanager
async def opened(url: str, key: str, name: str, version: str):
    """A session that is not initialized yet, and a function that returns its id."""
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as http,
        streamable_http_client(url, http_client=http) as (read, write, session_id),
        ClientSession(read, write, client_info=types.Implementation(name=name, version=version)) as session,
    ):
        yield session, session_id


async def main(request: dict) -> None:
    plan = request["plan"]
    async with opened(request["url"], request["key"], *plan["client"]) as (session, session_id):
        initialized = await session.initialize()
        report = await run_scenario(session, initialized, plan)
        print(json.dumps({"scenario": report, "session_id": session_id()}), flush=True)
        if request.get("hold"):
            await asyncio.to_thread(sys.stdin.readline)


def statuses(error: BaseException) -> list[int]:
    """Return the HTTP statuses in a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return [status for each in error.exceptions for status in statuses(each)]
    return [error.response.status_code] if isinstance(error, httpx.HTTPStatusError) else []


if __name__ == "__main__":
    try:
        asyncio.run(main(json.loads(sys.stdin.readline())))
    except BaseExceptionGroup as group:
        print(json.dumps({"statuses": statuses(group)}), flush=True)
        sys.exit(3)
