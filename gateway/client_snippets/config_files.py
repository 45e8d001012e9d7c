"""Snippets that go into the configuration file of a client: JSON, TOML or YAML.

The comments name the pitfalls of each client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.client_snippets.model import InstallLink, Snippet, Target

KEY_VARIABLE = "MCP_GATEWAY_KEY"
_MERGE = ("Merge it into the existing file.",)


def claude_desktop(target: Target) -> Snippet:
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


def cursor(target: Target) -> Snippet:
    return Snippet(
        "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
        _servers(target, url=target.url, headers=target.headers),
        link=_base64_link("cursor://anysphere.cursor-deeplink/mcp/install", target),
    )


def vscode(target: Target) -> Snippet:
    # The top-level name is "servers". VS Code prompts for an input once and keeps it in its secret storage.
    entry: dict[str, Any] = {"type": "http", "url": target.url, "headers": target.headers}
    link = _vscode_link({"name": target.name, **entry})
    if target.key is not None:
        where = "mcp.json (command: MCP: Open User Configuration)"
        return Snippet(where, _json({"servers": {target.name: entry}}), link=link)
    entry["headers"] = {"Authorization": "Bearer ${input:mcp-gateway-key}"}
    inputs = [{"type": "promptString", "id": "mcp-gateway-key", "description": "API key", "password": True}]
    return Snippet(
        "mcp.json (command: MCP: Open User Configuration), or .vscode/mcp.json in a project",
        _json({"inputs": inputs, "servers": {target.name: entry}}),
        ("VS Code prompts for the key once and keeps it in its secret storage.",),
        link=_vscode_link({"name": target.name, "inputs": inputs, **entry}),
    )


def copilot_cli(target: Target) -> Snippet:
    return Snippet(
        "~/.copilot/mcp-config.json",
        _servers(target, type="http", url=target.url, headers=target.headers, tools=["*"]),
    )


def codex(target: Target) -> Snippet:
    # Codex ignores "headers" silently, and rejects an inline "bearer_token".
    return Snippet(
        "~/.codex/config.toml",
        f"[mcp_servers.{_quoted(target.name)}]\n"
        f"url = {_quoted(target.url)}\n"
        f"http_headers = {{ Authorization = {_quoted(target.bearer)} }}",
        (
            f'To keep the key out of the file, write bearer_token_env_var = "{KEY_VARIABLE}" instead of http_headers, '
            f"and set {KEY_VARIABLE} to the key in the environment of Codex.",
        ),
    )


def gemini_cli(target: Target) -> Snippet:
    # "url" selects the deprecated SSE transport.
    return Snippet(
        "~/.gemini/settings.json, or .gemini/settings.json in a project",
        _servers(target, httpUrl=target.url, headers=target.headers),
        _MERGE,
    )


def antigravity(target: Target) -> Snippet:
    return Snippet(
        "~/.gemini/config/mcp_config.json",
        _servers(target, serverUrl=target.url, headers=target.headers),
        ("In the editor: MCP Servers > Manage MCP Servers > View raw config.",),
    )


def windsurf(target: Target) -> Snippet:
    return Snippet(
        "~/.codeium/windsurf/mcp_config.json",
        _servers(target, serverUrl=target.url, headers=target.headers),
        ("Press Refresh in the MCP panel of Cascade afterwards.",),
    )


def cline(target: Target) -> Snippet:
    # Without "type", a URL selects the deprecated SSE transport.
    return Snippet(
        "cline_mcp_settings.json (MCP Servers > Configure > Configure MCP Servers)",
        _servers(target, type="streamableHttp", url=target.url, headers=target.headers, disabled=False),
    )


def roo_code(target: Target) -> Snippet:
    return Snippet(
        "mcp_settings.json (MCP settings > Edit Global MCP), or .roo/mcp.json in a project",
        _servers(target, type="streamable-http", url=target.url, headers=target.headers),
    )


def continue_dev(target: Target) -> Snippet:
    # Headers stand under "requestOptions": YAML files have no "headers" as those in JSON.
    lines = [
        f"name: {_quoted(target.name)}",
        "version: 1.0.0",
        "schema: v1",
        "mcpServers:",
        f"  - name: {_quoted(target.name)}",
        "    type: streamable-http",
        f"    url: {_quoted(target.url)}",
        "    requestOptions:",
        "      headers:",
        f"        Authorization: {_quoted(target.bearer)}",
    ]
    return Snippet(
        "a new file .continue/mcpServers/mcp-gateway.yaml in a project",
        "\n".join(lines),
        (
            "For all projects, add the entry of mcpServers to ~/.continue/config.yaml.",
            "Continue uses tools in its agent mode only.",
        ),
    )


def opencode(target: Target) -> Snippet:
    # A 401 would start a login with OAuth, which an API key does not need.
    entry = {"type": "remote", "url": target.url, "headers": target.headers, "oauth": False}
    return Snippet(
        "~/.config/opencode/opencode.json, or opencode.json in a project",
        _json({"mcp": {"servers": {target.name: entry}}}),
        (*_MERGE, "Older versions have the server directly under mcp, without servers."),
    )


def zed(target: Target) -> Snippet:
    entry = {"url": target.url, "headers": target.headers}
    return Snippet(
        "settings.json (command: zed: open settings file)", _json({"context_servers": {target.name: entry}}), _MERGE
    )


def kiro(target: Target) -> Snippet:
    return Snippet(
        "~/.kiro/settings/mcp.json, or .kiro/settings/mcp.json in a project",
        _servers(target, url=target.url, headers=target.headers),
    )


def lm_studio(target: Target) -> Snippet:
    return Snippet(
        "mcp.json (Program > Install > Edit mcp.json)",
        _servers(target, url=target.url, headers=target.headers),
        link=_base64_link("lmstudio://add_mcp", target),
    )


def goose(target: Target) -> Snippet:
    lines = [
        "extensions:",
        f"  {_quoted(target.name)}:",
        "    type: streamable_http",
        f"    name: {_quoted(target.name)}",
        '    description: ""',
        "    enabled: true",
        f"    uri: {_quoted(target.url)}",
        "    headers:",
        f"      Authorization: {_quoted(target.bearer)}",
        "    env_keys: []",
        "    envs: {}",
        "    timeout: 300",
    ]
    name, url = quote(target.name, safe=""), quote(target.url, safe="")
    prefix = f"goose://extension?type=streamable_http&url={url}&id={name}&name={name}&description={name}&header="
    return Snippet(
        "~/.config/goose/config.yaml (Windows: %APPDATA%\\Block\\goose\\config\\config.yaml)",
        "\n".join(lines),
        _MERGE,
        link=InstallLink(prefix, f"Authorization={target.bearer}", "percent"),
    )


def other(target: Target) -> Snippet:
    return Snippet(
        "the list of MCP servers of the client", _servers(target, type="http", url=target.url, headers=target.headers)
    )


def _servers(target: Target, **entry: Any) -> str:
    return _json({"mcpServers": {target.name: entry}})


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _quoted(text: str) -> str:
    """Quote a text for TOML and YAML, whose double quotes have the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _base64_link(address: str, target: Target) -> InstallLink:
    config = json.dumps({"url": target.url, "headers": target.headers}, separators=(",", ":"))
    return InstallLink(f"{address}?name={quote(target.name, safe='')}&config=", config, "base64")


def _vscode_link(config: Mapping[str, Any]) -> InstallLink:
    return InstallLink("vscode:mcp/install?", json.dumps(config, separators=(",", ":")), "percent")
