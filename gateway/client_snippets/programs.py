"""Snippets that are programs, with the official SDKs and FastMCP."""

from __future__ import annotations

import json

from gateway.client_snippets.model import Snippet, Target


def python(target: Target) -> Snippet:
    return Snippet(
        "a Python program (pip install 'mcp>=2.3')",
        f"""\
import asyncio

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

URL = {target.url!r}
HEADERS = {{"Authorization": {target.bearer!r}}}


async def main() -> None:
    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(headers=HEADERS, timeout=timeout) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            print([tool.name for tool in (await client.list_tools()).tools])


asyncio.run(main())""",
    )


def fastmcp(target: Target) -> Snippet:
    return Snippet(
        "a Python program (pip install fastmcp)",
        f"""\
import asyncio

from fastmcp import Client


async def main() -> None:
    async with Client({target.url!r}, auth={target.shown_key!r}) as client:
        print([tool.name for tool in await client.list_tools()])


asyncio.run(main())""",
    )


def typescript(target: Target) -> Snippet:
    return Snippet(
        "a TypeScript or JavaScript module (npm install @modelcontextprotocol/client)",
        f"""\
import {{ Client, StreamableHTTPClientTransport }} from "@modelcontextprotocol/client";

const transport = new StreamableHTTPClientTransport(new URL({json.dumps(target.url)}), {{
  requestInit: {{ headers: {{ Authorization: {json.dumps(target.bearer)} }} }},
}});
const client = new Client({{ name: "my-client", version: "1.0.0" }});
await client.connect(transport);
console.log((await client.listTools()).tools.map((tool) => tool.name));
await client.close();""",
        (
            "Version 1 of the SDK is the package @modelcontextprotocol/sdk: import Client from its client/index.js "
            "and StreamableHTTPClientTransport from its client/streamableHttp.js.",
        ),
    )
