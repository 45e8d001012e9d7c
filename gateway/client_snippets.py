"""Configuration snippets that connect MCP clients to the gateway. Pure: nothing is written or printed here.

Each client spells the same three values differently: a name, a URL and an `Authorization` header. The comments in the
builders name the pitfalls of each client.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8001/mcp"
DEFAULT_NAME = "mcp-gateway"
PLACEHOLDER = "YOUR_API_KEY"
KEY_VARIABLE = "MCP_GATEWAY_KEY"


class Target(NamedTuple):
    """The gateway to connect to; without a `key`, the snippet has a placeholder."""

    url: str = DEFAULT_URL
    key: str | None = None
    name: str = DEFAULT_NAME

    @property
    def bearer(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self.key or PLACEHOLDER}"


class Snippet(NamedTuple):
    """Text to paste, and the place to paste it; `notes` are hints for the user."""

    where: str
    text: str
    notes: tuple[str, ...] = ()


class Client(NamedTuple):
    """An MCP client, and the function that builds its snippet."""

    title: str
    build: Callable[[Target], Snippet]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _headers(target: Target) -> dict[str, str]:
    return {"Authorization": target.bearer}


def _servers(target: Target, **entry: Any) -> str:
    return _json({"mcpServers": {target.name: entry}})


def _claude_code(target: Target) -> Snippet:
    # --header takes any number of values, so it must come last: it would take the name as a value.
    command = ["claude", "mcp", "add", "--transport", "http", "--scope", "user", target.name, target.url]
    header = shlex.quote(f"Authorization: {target.bearer}")
    return Snippet(
        "a terminal",
        f"{shlex.join(command)} \\\n  --header {header}",
        (f"Verify it: claude mcp get {target.name}",),
    )


def _claude_desktop(target: Target) -> Snippet:
    # The file supports no remote servers, so mcp-remote connects to the gateway. On Windows an argument is split at its
    # spaces, so the value with the space is in an environment variable.
    arguments = ["-y", "mcp-remote", target.url, "--transport", "http-only"]
    if urlsplit(target.url).scheme == "http":
        arguments.append("--allow-http")
    arguments += ["--header", "Authorization:${AUTH_HEADER}"]
    return Snippet(
        "claude_desktop_config.json (Settings > Developer > Edit Config)",
        _servers(target, command="npx", args=arguments, env={"AUTH_HEADER": target.bearer}),
        ("Requires Node.js. Quit and restart Claude Desktop afterwards.",),
    )


def _cursor(target: Target) -> Snippet:
    return Snippet(
        "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
        _servers(target, url=target.url, headers=_headers(target)),
    )


def _vscode(target: Target) -> Snippet:
    # The top-level name is "servers". VS Code prompts for an input once and keeps it in its secret storage.
    entry: dict[str, Any] = {"type": "http", "url": target.url}
    if target.key is not None:
        entry["headers"] = _headers(target)
        return Snippet("mcp.json (command: MCP: Open User Configuration)", _json({"servers": {target.name: entry}}))
    entry["headers"] = {"Authorization": "Bearer ${input:mcp-gateway-key}"}
    key_input = {"type": "promptString", "id": "mcp-gateway-key", "description": "API key", "password": True}
    return Snippet(
        "mcp.json (command: MCP: Open User Configuration), or .vscode/mcp.json in a project",
        _json({"inputs": [key_input], "servers": {target.name: entry}}),
        ("VS Code prompts for the key once and keeps it in its secret storage.",),
    )


def _codex(target: Target) -> Snippet:
    # Codex ignores "headers" silently, and rejects an inline "bearer_token".
    return Snippet(
        "~/.codex/config.toml",
        f"[mcp_servers.{json.dumps(target.name)}]\n"
        f"url = {json.dumps(target.url)}\n"
        f"bearer_token_env_var = {json.dumps(KEY_VARIABLE)}\n",
        (f"Codex reads the key from its environment: export {KEY_VARIABLE}={shlex.quote(target.key or PLACEHOLDER)}",),
    )


def _gemini_cli(target: Target) -> Snippet:
    # "url" selects the deprecated SSE transport.
    return Snippet(
        "~/.gemini/settings.json, or .gemini/settings.json in a project",
        _servers(target, httpUrl=target.url, headers=_headers(target)),
        ("Merge it into the existing file.",),
    )


def _windsurf(target: Target) -> Snippet:
    return Snippet(
        "~/.codeium/windsurf/mcp_config.json",
        _servers(target, serverUrl=target.url, headers=_headers(target)),
        ("Press Refresh in the MCP panel of Cascade afterwards.",),
    )


def _cline(target: Target) -> Snippet:
    # Without "type", a URL selects the deprecated SSE transport.
    return Snippet(
        "cline_mcp_settings.json (MCP Servers > Configure > Configure MCP Servers)",
        _servers(target, type="streamableHttp", url=target.url, headers=_headers(target), disabled=False),
    )


def _zed(target: Target) -> Snippet:
    entry = {"url": target.url, "headers": _headers(target)}
    return Snippet(
        "settings.json (command: zed: open settings file)",
        _json({"context_servers": {target.name: entry}}),
        ("Merge it into the existing file.",),
    )


def _copilot_cli(target: Target) -> Snippet:
    return Snippet(
        "~/.copilot/mcp-config.json",
        _servers(target, type="http", url=target.url, headers=_headers(target), tools=["*"]),
    )


def _kiro(target: Target) -> Snippet:
    return Snippet(
        "~/.kiro/settings/mcp.json, or .kiro/settings/mcp.json in a project",
        _servers(target, url=target.url, headers=_headers(target)),
    )


def _lm_studio(target: Target) -> Snippet:
    return Snippet(
        "mcp.json (Program > Install > Edit mcp.json)",
        _servers(target, url=target.url, headers=_headers(target)),
    )


def _goose(target: Target) -> Snippet:
    lines = [
        "extensions:",
        f"  {json.dumps(target.name)}:",
        "    type: streamable_http",
        f"    name: {json.dumps(target.name)}",
        "    enabled: true",
        f"    uri: {json.dumps(target.url)}",
        "    headers:",
        f"      Authorization: {json.dumps(target.bearer)}",
        "    env_keys: []",
        "    envs: {}",
        "    timeout: 300",
    ]
    return Snippet("~/.config/goose/config.yaml", "\n".join(lines), ("Merge it into the existing file.",))


def _python(target: Target) -> Snippet:
    return Snippet(
        "Python, with the official SDK (pip install 'mcp>=2.3')",
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


asyncio.run(main())
""",
    )


def _fastmcp(target: Target) -> Snippet:
    return Snippet(
        "Python, with FastMCP (pip install fastmcp)",
        f"""\
import asyncio

from fastmcp import Client


async def main() -> None:
    async with Client({target.url!r}, auth={(target.key or PLACEHOLDER)!r}) as client:
        print([tool.name for tool in await client.list_tools()])


asyncio.run(main())
""",
    )


def _curl(target: Target) -> Snippet:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, separators=(",", ":"))
    return Snippet(
        "a terminal",
        f"curl -s {shlex.quote(target.url)} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -H {shlex.quote('Authorization: ' + target.bearer)} \\\n"
        f"  -d {shlex.quote(body)}",
    )


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client("Claude Code", _claude_code),
    "claude-desktop": Client("Claude Desktop", _claude_desktop),
    "cursor": Client("Cursor", _cursor),
    "vscode": Client("VS Code (GitHub Copilot)", _vscode),
    "copilot-cli": Client("GitHub Copilot CLI", _copilot_cli),
    "codex": Client("OpenAI Codex", _codex),
    "gemini-cli": Client("Gemini CLI", _gemini_cli),
    "windsurf": Client("Windsurf", _windsurf),
    "cline": Client("Cline", _cline),
    "zed": Client("Zed", _zed),
    "kiro": Client("Kiro", _kiro),
    "lm-studio": Client("LM Studio", _lm_studio),
    "goose": Client("Goose", _goose),
    "python": Client("Python, official SDK", _python),
    "fastmcp": Client("Python, FastMCP", _fastmcp),
    "curl": Client("curl", _curl),
}
"""The supported clients, by their names on the command line."""
