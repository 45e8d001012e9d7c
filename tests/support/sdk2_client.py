"""The official Python SDK, 2.x, with nothing but a URL and a header."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

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


class Exchange(NamedTuple):
    """One HTTP request of a client, and how it was answered."""

    method: str
    status: int
    session_id: str | None
    """What the request or its answer named."""


@contextlib.asynccontextmanager
async def connected(
    url: str, key: str, mode: str, *, exchanges: list[Exchange] | None = None, **callbacks: Any
) -> AsyncIterator[Client]:
    """A client; what it exchanges with the server is added to `exchanges` as each answer begins."""

    async def note(response: httpx2.Response) -> None:
        if exchanges is not None:
            name = "mcp-session-id"
            session_id = response.headers.get(name) or response.request.headers.get(name)
            exchanges.append(Exchange(response.request.method, response.status_code, session_id))

    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(20),
            event_hooks={"response": [note]},
        ) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode=mode,
            client_info=Implementation(name=journey.CLIENT_NAME, version=journey.CLIENT_VERSION),
            **callbacks,
        ) as client,
    ):
        yield client


async def travel(url: str, key: str, mode: str) -> Journey:
    """The whole journey."""
    async with connected(url, key, mode) as client:
        return await journey_of(client)


async def journey_of(client: Client) -> Journey:
    """The whole journey of a client that is connected."""
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
