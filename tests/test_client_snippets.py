"""Client configurations: valid, and safe to paste whatever characters the key and the URL contain."""

from __future__ import annotations

import ast
import json
import shlex
import tomllib
from typing import Any

import pytest
import yaml

from gateway.client_snippets import CLIENTS, DEFAULT_URL, Target
from gateway.keys.secret import ApiKey

KEY = ApiKey.generate().text
TARGET = Target(url="https://mcp.example.com/mcp", key=KEY)
BEARER = f"Bearer {KEY}"


def text(client: str, target: Target = TARGET) -> str:
    return CLIENTS[client].build(target).text


def entry(client: str, top: str = "mcpServers", target: Target = TARGET) -> Any:
    return json.loads(text(client, target))[top]["mcp-gateway"]


def test_claude_code_has_the_header_last_so_that_it_does_not_take_the_name_as_a_value() -> None:
    words = shlex.split(text("claude-code").replace("\\\n", " "))
    assert words == [
        *("claude", "mcp", "add", "--transport", "http", "--scope", "user"),
        *("mcp-gateway", "https://mcp.example.com/mcp", "--header", f"Authorization: {BEARER}"),
    ]


def test_claude_desktop_uses_mcp_remote_without_a_space_in_an_argument() -> None:
    built = entry("claude-desktop")
    assert built["command"] == "npx"
    assert built["args"] == [
        *("-y", "mcp-remote", "https://mcp.example.com/mcp", "--transport", "http-only"),
        *("--header", "Authorization:${AUTH_HEADER}"),
    ]
    assert built["env"] == {"AUTH_HEADER": BEARER}
    assert "--allow-http" in entry("claude-desktop", target=Target(key=KEY))["args"]


@pytest.mark.parametrize("client", ["cursor", "kiro", "lm-studio"])
def test_clients_that_take_a_url_and_headers(client: str) -> None:
    assert entry(client) == {"url": TARGET.url, "headers": {"Authorization": BEARER}}


def test_clients_with_different_field_names() -> None:
    headers = {"Authorization": BEARER}
    assert entry("windsurf") == {"serverUrl": TARGET.url, "headers": headers}
    assert entry("gemini-cli") == {"httpUrl": TARGET.url, "headers": headers}
    assert entry("zed", "context_servers") == {"url": TARGET.url, "headers": headers}
    assert entry("cline")["type"] == "streamableHttp"
    assert entry("copilot-cli") == {"type": "http", "url": TARGET.url, "headers": headers, "tools": ["*"]}


def test_vscode_prompts_for_the_key_if_none_is_given() -> None:
    assert entry("vscode", "servers") == {
        "type": "http",
        "url": TARGET.url,
        "headers": {"Authorization": BEARER},
    }
    built = json.loads(text("vscode", Target()))
    [key_input] = built["inputs"]
    assert key_input["password"] is True
    assert built["servers"]["mcp-gateway"]["headers"] == {"Authorization": f"Bearer ${{input:{key_input['id']}}}"}


def test_codex_reads_the_key_from_the_environment() -> None:
    built = CLIENTS["codex"].build(TARGET)
    assert tomllib.loads(built.text) == {
        "mcp_servers": {"mcp-gateway": {"url": TARGET.url, "bearer_token_env_var": "MCP_GATEWAY_KEY"}}
    }
    assert KEY not in built.text
    assert f"export MCP_GATEWAY_KEY={KEY}" in built.notes[0]


def test_goose_has_valid_yaml() -> None:
    built = yaml.safe_load(text("goose"))["extensions"]["mcp-gateway"]
    assert (built["type"], built["uri"]) == ("streamable_http", TARGET.url)
    assert built["headers"] == {"Authorization": BEARER}


@pytest.mark.parametrize("client", ["python", "fastmcp"])
def test_python_snippets_are_valid_programs(client: str) -> None:
    ast.parse(text(client))
    assert KEY in text(client)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_snippet_names_its_place_and_the_url(client: str) -> None:
    built = CLIENTS[client].build(Target())
    assert built.where
    assert DEFAULT_URL in built.text
    assert KEY not in built.text


SPECIAL_CHARACTERS = "a'b\"c$(id)`id`\\ \n#"


@pytest.mark.parametrize("client", CLIENTS)
def test_special_characters_are_quoted(client: str) -> None:
    built = text(
        client,
        Target(url="https://h/mcp?x=" + SPECIAL_CHARACTERS, key=SPECIAL_CHARACTERS, name="n'" + SPECIAL_CHARACTERS),
    )
    match client:
        case "claude-code" | "curl":
            words = shlex.split(built.replace(" \\\n ", " "))
            assert f"Authorization: Bearer {SPECIAL_CHARACTERS}" in words
            assert "https://h/mcp?x=" + SPECIAL_CHARACTERS in words
        case "codex":
            tomllib.loads(built)
        case "goose":
            yaml.safe_load(built)
        case "python" | "fastmcp":
            ast.parse(built)
        case _:
            json.loads(built)
