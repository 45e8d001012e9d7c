"""Client configurations: valid, and safe to paste whatever characters the key and the URL contain."""

from __future__ import annotations

import ast
import base64
import json
import re
import shlex
import subprocess
import tomllib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

from gateway.client_snippets import CLIENTS, DEFAULT_URL, InstallLink, Target
from gateway.keys.secret import ApiKey
from tests.support.node import node

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
    assert entry("windsurf") == entry("antigravity") == {"serverUrl": TARGET.url, "headers": headers}
    assert entry("gemini-cli") == {"httpUrl": TARGET.url, "headers": headers}
    assert entry("zed", "context_servers") == {"url": TARGET.url, "headers": headers}
    assert entry("cline")["type"] == "streamableHttp"
    assert entry("roo-code") == {"type": "streamable-http", "url": TARGET.url, "headers": headers}
    assert entry("other") == {"type": "http", "url": TARGET.url, "headers": headers}
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


def test_codex_has_the_header_under_the_name_that_it_does_not_ignore() -> None:
    assert tomllib.loads(text("codex")) == {
        "mcp_servers": {"mcp-gateway": {"url": TARGET.url, "http_headers": {"Authorization": BEARER}}}
    }


def test_goose_has_valid_yaml() -> None:
    built = yaml.safe_load(text("goose"))["extensions"]["mcp-gateway"]
    assert (built["type"], built["uri"]) == ("streamable_http", TARGET.url)
    assert built["headers"] == {"Authorization": BEARER}


def test_continue_has_its_headers_in_the_options_of_requests() -> None:
    built = yaml.safe_load(text("continue"))
    assert (built["schema"], built["version"]) == ("v1", "1.0.0")
    assert built["mcpServers"] == [
        {
            "name": "mcp-gateway",
            "type": "streamable-http",
            "url": TARGET.url,
            "requestOptions": {"headers": {"Authorization": BEARER}},
        }
    ]


def test_opencode_does_not_start_a_login() -> None:
    built = json.loads(text("opencode"))["mcp"]["servers"]["mcp-gateway"]
    assert built == {"type": "remote", "url": TARGET.url, "headers": {"Authorization": BEARER}, "oauth": False}


def link(client: str, target: Target = TARGET) -> InstallLink:
    built = CLIENTS[client].build(target).link
    assert built is not None
    return built


@pytest.mark.parametrize(
    ("client", "address"),
    [("cursor", "cursor://anysphere.cursor-deeplink/mcp/install"), ("lm-studio", "lmstudio://add_mcp")],
)
def test_install_links_with_the_configuration_in_base64(client: str, address: str) -> None:
    url = link(client).url
    assert url.partition("?")[0] == address
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query["name"] == ["mcp-gateway"]
    assert json.loads(base64.b64decode(query["config"][0], validate=True)) == {
        "url": TARGET.url,
        "headers": {"Authorization": BEARER},
    }


def test_the_install_link_of_vscode_is_the_configuration_with_a_name() -> None:
    address, _, query = link("vscode").url.partition("?")
    assert address == "vscode:mcp/install"
    assert json.loads(unquote(query)) == {
        "name": "mcp-gateway",
        "type": "http",
        "url": TARGET.url,
        "headers": {"Authorization": BEARER},
    }
    without_key = json.loads(unquote(link("vscode", Target()).url.partition("?")[2]))
    assert without_key["headers"] == {"Authorization": f"Bearer ${{input:{without_key['inputs'][0]['id']}}}"}


def test_the_install_link_of_goose_has_the_header_as_a_parameter() -> None:
    address, _, query = link("goose").url.partition("?")
    assert address == "goose://extension"
    parameters = parse_qs(query, strict_parsing=True)
    assert parameters["type"] == ["streamable_http"]
    assert parameters["url"] == [TARGET.url]
    assert parameters["header"] == [f"Authorization={BEARER}"]


def test_no_install_link_sends_the_key_to_a_web_site() -> None:
    links = [link for client in CLIENTS.values() if (link := client.build(TARGET).link) is not None]
    assert len(links) == 4
    assert not [link.url for link in links if link.url.startswith("http")]


QUOTE = r"['\u2018\u2019\u201a\u201b]"
"""PowerShell takes each of these for a single quote."""
POWERSHELL_WORD = re.compile(rf"\s*(?:'((?:(?!{QUOTE}).|{QUOTE}{{2}})*)'|([^\s'$`\"(;&<>#]+))", re.DOTALL)


def powershell_words(command: str) -> list[str]:
    """Split a command of PowerShell into words; quoted ones are literal texts."""
    words, end = [], 0
    while end < len(command.rstrip()):
        found = POWERSHELL_WORD.match(command, end)
        assert found is not None, command[end:]
        quoted, bare = found.groups()
        words.append(re.sub(f"({QUOTE}){QUOTE}", r"\1", quoted) if bare is None else bare)
        end = found.end()
    return words


def test_commands_also_have_a_form_for_powershell() -> None:
    commands = {name: client.build(TARGET).powershell for name, client in CLIENTS.items()}
    assert {name for name, command in commands.items() if command is not None} == {"claude-code", "curl"}
    assert powershell_words(commands["claude-code"] or "") == shlex.split(text("claude-code").replace("\\\n", " "))
    words = powershell_words(commands["curl"] or "")
    assert words[:2] == ["Invoke-RestMethod", TARGET.url]
    assert BEARER in words
    assert json.loads(words[words.index("-Body") + 1])["method"] == "tools/list"


@pytest.mark.parametrize("client", CLIENTS)
def test_every_snippet_has_the_url_and_the_key_in_valid_syntax(client: str) -> None:
    built = CLIENTS[client].build(TARGET)
    assert built.where
    assert TARGET.url in built.text
    assert KEY in built.text
    check_syntax(client, built.text)


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_key_there_is_a_placeholder_or_a_prompt(client: str) -> None:
    built = CLIENTS[client].build(Target())
    assert DEFAULT_URL in built.text
    assert ("YOUR_API_KEY" in built.text) or ("${input:" in built.text)


SPECIAL_CHARACTERS = "a'b\"c$(id)`id`\\ \n#\u2019"


@pytest.mark.parametrize("client", CLIENTS)
def test_special_characters_are_quoted(client: str) -> None:
    url = "https://h/mcp?x=" + SPECIAL_CHARACTERS
    built = CLIENTS[client].build(Target(url=url, key=SPECIAL_CHARACTERS, name="n'" + SPECIAL_CHARACTERS))
    check_syntax(client, built.text)
    if built.powershell is not None:
        for words in (shlex.split(built.text.replace(" \\\n ", " ")), powershell_words(built.powershell)):
            assert url in words
            assert any(word.endswith(f"Bearer {SPECIAL_CHARACTERS}") for word in words)
    if built.link is not None:
        assert re.fullmatch(r"[a-z]+:[!-~]+", built.link.url)


def check_syntax(client: str, built: str) -> None:
    match client:
        case "claude-code" | "curl":
            done = subprocess.run(["bash", "-n"], input=built, capture_output=True, text=True, timeout=30)
            assert (done.returncode, done.stderr) == (0, "")
        case "codex":
            tomllib.loads(built)
        case "goose" | "continue":
            yaml.safe_load(built)
        case "python" | "fastmcp":
            ast.parse(built)
        case "typescript":
            pass
        case _:
            json.loads(built)


def test_the_javascript_program_is_valid() -> None:
    for target in (TARGET, Target(url=f"https://h/{SPECIAL_CHARACTERS}", key=SPECIAL_CHARACTERS)):
        command = [str(node()), "--input-type=module", "--check", "-"]
        done = subprocess.run(command, input=text("typescript", target), capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


# Certificates.


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("claude-code", "set NODE_EXTRA_CA_CERTS"),
        ("python", "set SSL_CERT_FILE"),
        ("curl", "add --cacert"),
        ("cursor", "trusted certificates of the operating system"),
    ],
)
def test_a_gateway_with_a_certificate_says_how_the_client_trusts_it(client: str, says: str) -> None:
    with_certificate = CLIENTS[client].snippet(TARGET._replace(has_own_certificate=True))
    plain = CLIENTS[client].snippet(TARGET)
    assert with_certificate.notes[:-1] == plain.notes
    assert with_certificate.notes[-1].startswith(
        "If the certificate of the gateway is self-signed or of a private CA, "
    )
    assert says in with_certificate.notes[-1]


def test_the_verifying_command_can_name_the_file_of_the_certificate() -> None:
    words = shlex.split(text("curl", TARGET._replace(ca_file="/etc/my tls.crt")).replace("\\\n", " "))
    assert words[:5] == ["curl", "-s", "--cacert", "/etc/my tls.crt", TARGET.url]
