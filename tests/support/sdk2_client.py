"""The official Python SDK, 2.x, with nothing but a URL and a header."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, TextContent, TextResourceContents

from tests.support import journey
from tests.support.journey import Journey, Progress

MODERN = "auto"
"""Asks `server/discover` first, and takes revision 2026-07-28 without a handshake where the server has it."""
HANDSHAKE = "legacy"
PINNED = "2026-07-28"
"""Takes that revision without asking."""


@contextlib.asynccontextmanager
async def connected(url: str, key: str, mode: str, *, sessions: list[str] | None = None) -> AsyncIterator[Client]:
    """A client; the ids of the sessions that it is given are added to `sessions`."""

    async def note_session(response: httpx2.Response) -> None:
        if sessions is not None and "mcp-session-id" in response.headers:
            sessions.append(response.headers["mcp-session-id"])

    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(20),
            event_hooks={"response": [note_session]},
        ) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode=mode,
            client_info=Implementation(name=journey.CLIENT_NAME, version=journey.CLIENT_VERSION),
        ) as client,
    ):
        yield client


async def travel(url: str, key: str, mode: str) -> Journey:
    """The whole journey."""
    async with connected(url, key, mode) as client:
        tools = await client.list_tools()
        query = await client.call_tool(*journey.QUERY)
        reports: list[Progress] = []
        started = time.monotonic()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            reports.append(Progress(time.monotonic() - started, progress, total))

        long = await client.call_tool(*journey.LONG, progress_callback=note)
        long_seconds = time.monotonic() - started
        bad = await client.call_tool(*journey.BAD)
        assert bad.is_error
        prompt = await client.get_prompt(*journey.PROMPT)
        return Journey(
            protocol_version=client.protocol_version,
            server_name=client.server_info.name if client.server_info else "",
            tools=[tool.name for tool in tools.tools],
            query=query.structured_content or {},
            long=long.structured_content or {},
            long_seconds=long_seconds,
            progress=reports,
            error=_text(bad.content[0]),
            resources=[str(each.uri) for each in (await client.list_resources()).resources],
            templates=[each.uri_template for each in (await client.list_resource_templates()).resource_templates],
            symbols=_resource_text((await client.read_resource(journey.SYMBOLS)).contents[0]),
            profile=_resource_text((await client.read_resource(journey.PROFILE)).contents[0]),
            prompts=[each.name for each in (await client.list_prompts()).prompts],
            prompt=_text(prompt.messages[0].content),
        )


def _text(content: object) -> str:
    assert isinstance(content, TextContent)
    return content.text


def _resource_text(content: object) -> str:
    assert isinstance(content, TextResourceContents)
    return content.text
