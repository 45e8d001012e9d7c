"""A client on the official Python SDK 2.x, configured with a URL and a header."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, TextContent, TextResourceContents

from tests.support import scenario
from tests.support.scenario import Progress, ScenarioReport

CLIENT_INFO = Implementation(name=scenario.CLIENT_NAME, version=scenario.CLIENT_VERSION)
MODERN = "auto"
"""Sends `server/discover` first, and uses revision 2026-07-28, without a handshake, if the server supports it."""
HANDSHAKE = "legacy"
PINNED = "2026-07-28"
"""Uses that revision without discovery."""


class Exchange(NamedTuple):
    """An HTTP request of a client, and the status of the response."""

    method: str
    status: int
    session_id: str | None
    """`Mcp-Session-Id` of the response, or of the request."""


@contextlib.asynccontextmanager
async def connected(
    url: str,
    key: str,
    mode: str,
    *,
    exchanges: list[Exchange] | None = None,
    info: Implementation = CLIENT_INFO,
    **callbacks: Any,
) -> AsyncIterator[Client]:
    """A connected client; its HTTP requests are appended to `exchanges` when the response head arrives."""

    async def record(response: httpx2.Response) -> None:
        if exchanges is not None:
            name = "mcp-session-id"
            session_id = response.headers.get(name) or response.request.headers.get(name)
            exchanges.append(Exchange(response.request.method, response.status_code, session_id))

    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(20),
            event_hooks={"response": [record]},
        ) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, client_info=info, **callbacks) as client,
    ):
        yield client


async def run_scenario(url: str, key: str, mode: str) -> ScenarioReport:
    """Connect and run the scenario."""
    async with connected(url, key, mode) as client:
        return await run_scenario_on(client)


async def run_scenario_on(client: Client) -> ScenarioReport:
    """Run the scenario on a connected client."""
    tools = await client.list_tools()
    query = await client.call_tool(*scenario.QUERY)
    reports: list[Progress] = []
    started = time.monotonic()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append(Progress(time.monotonic() - started, progress, total))

    long = await client.call_tool(*scenario.LONG, progress_callback=on_progress)
    long_seconds = time.monotonic() - started
    bad = await client.call_tool(*scenario.BAD)
    assert bad.is_error
    prompt = await client.get_prompt(*scenario.PROMPT)
    return ScenarioReport(
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
        symbols=_resource_text((await client.read_resource(scenario.SYMBOLS)).contents[0]),
        profile=_resource_text((await client.read_resource(scenario.PROFILE)).contents[0]),
        prompts=[each.name for each in (await client.list_prompts()).prompts],
        prompt=_text(prompt.messages[0].content),
    )


def _text(content: object) -> str:
    assert isinstance(content, TextContent)
    return content.text


def _resource_text(content: object) -> str:
    assert isinstance(content, TextResourceContents)
    return content.text
