"""Client configurations: right in form, and safe to paste whatever the key and the URL hold."""

from __future__ import annotations

import ast
import json
import shlex
import tomllib
from typing import Any

import pytest
import yaml

from gateway.client_snippets import CLIENTS, DEFAULT_URL, Target, UnknownClientError, snippet
from gateway.keys.secret import ApiKey

KEY = ApiKey.generate().text
TARGET = Target(url="https://mcp.example.com/mcp", key=KEY)
BEARER = f"Bearer {KEY}"


def text(client: str, target: Target = TARGET) -> str:
    return snippet(client, target).text


def entry(client: str, top: str = "mcpServers", target: Target = TARGET) -> Any:
    return json.loads(text(client, target))[top]["mcp-gateway"]


def test_claude_code_puts_the_header_last_so_that_it_does_not_swallow_the_name() -> None:
    words = shlex.split(text("claude-code").replace("\\\n", " "))
    assert words == [
        *("claude", "mcp", "add", "--transport", "http", "--scope", "user"),
        *("mcp-gateway", "https://mcp.example.com/mcp", "--header", f"Authorization: {BEARER}"),
    ]


def test_claude_desktop_goes_through_mcp_remote_without_a_space_in_an_argument() -> None:
    made = entry("claude-desktop")
    assert made["command"] == "npx"
    assert made["args"] == [
        *("-y", "mcp-remote", "https://mcp.example.com/mcp", "--transport", "http-only"),
        *("--header", "Authorization:${AUTH_HEADER}"),
    ]
    assert made["env"] == {"AUTH_HEADER": BEARER}
    assert "--allow-http" in entry("claude-desktop", target=Target(key=KEY))["args"]


@pytest.mark.parametrize("client", ["cursor", "kiro", "lm-studio"])
def test_clients_that_take_a_url_and_headers(client: str) -> None:
    assert entry(client) == {"url": TARGET.url, "headers": {"Authorization": BEARER}}


def test_clients_with_a_spelling_of_their_own() -> None:
    headers = {"Authorization": BEARER}
    assert entry("windsurf") == {"serverUrl": TARGET.url, "headers": headers}
    assert entry("gemini-cli") == {"httpUrl": TARGET.url, "headers": headers}
    assert entry("zed", "context_servers") == {"url": TARGET.url, "headers": headers}
    assert entry("cline")["type"] == "streamableHttp"
    assert entry("copilot-cli") == {"type": "http", "url": TARGET.url, "headers": headers, "tools": ["*"]}


def test_vscode_asks_for_the_key_where_none_is_given() -> None:
    assert entry("vscode", "servers") == {
        "type": "http",
        "url": TARGET.url,
        "headers": {"Authorization": BEARER},
    }
    made = json.loads(text("vscode", Target()))
    [asked] = made["inputs"]
    assert asked["password"] is True
    assert made["servers"]["mcp-gateway"]["headers"] == {"Authorization": f"Bearer ${{input:{asked['id']}}}"}


def test_codex_takes_the_key_from_the_environment() -> None:
    made = snippet("codex", TARGET)
    assert tomllib.loads(made.text) == {
        "mcp_servers": {"mcp-gateway": {"url": TARGET.url, "bearer_token_env_var": "MCP_GATEWAY_KEY"}}
    }
    assert KEY not in made.text
    assert f"export MCP_GATEWAY_KEY={KEY}" in made.notes[0]


def test_goose_is_yaml() -> None:
    made = yaml.safe_load(text("goose"))["extensions"]["mcp-gateway"]
    assert (made["type"], made["uri"]) == ("streamable_http", TARGET.url)
    assert made["headers"] == {"Authorization": BEARER}


@pytest.mark.parametrize("client", ["python", "fastmcp"])
def test_python_snippets_are_programs(client: str) -> None:
    ast.parse(text(client))
    assert KEY in text(client)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_says_where_and_names_the_url(client: str) -> None:
    made = snippet(client, Target())
    assert made.where
    assert DEFAULT_URL in made.text
    assert KEY not in made.text


NASTY = "a'b\"c$(id)`id`\\ \n#"


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_given_breaks_out_of_its_quotes(client: str) -> None:
    made = text(client, Target(url="https://h/mcp?x=" + NASTY, key=NASTY, name="n'" + NASTY))
    match client:
        case "claude-code" | "curl":
            words = shlex.split(made.replace(" \\\n ", " "))
            assert f"Authorization: Bearer {NASTY}" in words
            assert "https://h/mcp?x=" + NASTY in words
        case "codex":
            tomllib.loads(made)
        case "goose":
            yaml.safe_load(made)
        case "python" | "fastmcp":
            ast.parse(made)
        case _:
            json.loads(made)


def test_an_unknown_client_is_refused() -> None:
    with pytest.raises(UnknownClientError):
        snippet("netscape", TARGET)
