"""A FastMCP client, configured with a URL and a header."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp_types import Implementation, TextContent, TextResourceContents

from tests.support import scenario
from tests.support.scenario import Progress, ScenarioReport

CLIENT_INFO = Implementation(name=scenario.CLIENT_NAME, version=scenario.CLIENT_VERSION)


@contextlib.asynccontextmanager
async def connected(
    url: str,
    key: str,
    mode: str,
    *,
    transport: type[StreamableHttpTransport | SSETransport] = StreamableHttpTransport,
    info: Implementation = CLIENT_INFO,
) -> AsyncIterator[Client[Any]]:
    """A connected client."""
    headers = {"Authorization": f"Bearer {key}"}
    client: Client[Any] = Client(transport(url, headers=headers), mode=mode, timeout=20, client_info=info)
    async with client:
        yield client


async def run_scenario(url: str, key: str, mode: str) -> ScenarioReport:
    """Connect and run the scenario."""
    async with connected(url, key, mode) as client:
        tools = await client.list_tools()
        query = await client.call_tool(*scenario.QUERY)
        reports: list[Progress] = []
        started = time.monotonic()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            reports.append(Progress(time.monotonic() - started, progress, total))

        long = await client.call_tool(*scenario.LONG, progress_handler=on_progress)
        long_seconds = time.monotonic() - started
        with pytest.raises(ToolError) as error:
            await client.call_tool(*scenario.BAD)
        prompt = await client.get_prompt(*scenario.PROMPT)
        content = prompt.messages[0].content
        assert isinstance(content, TextContent)
        return ScenarioReport(
            protocol_version=client.protocol_version or "",
            server_name=client.server_info.name if client.server_info else "",
            tools=[tool.name for tool in tools],
            query=query.structured_content or {},
            long=long.structured_content or {},
            long_seconds=long_seconds,
            progress=reports,
            error=str(error.value),
            resources=[str(each.uri) for each in await client.list_resources()],
            templates=[each.uri_template for each in await client.list_resource_templates()],
            symbols=_resource_text((await client.read_resource(scenario.SYMBOLS))[0]),
            profile=_resource_text((await client.read_resource(scenario.PROFILE))[0]),
            prompts=[each.name for each in await client.list_prompts()],
            prompt=content.text,
        )


def _resource_text(content: object) -> str:
    assert isinstance(content, TextResourceContents)
    return content.text
