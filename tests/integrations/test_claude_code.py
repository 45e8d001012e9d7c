"""Claude Code from npm, in an empty home: `mcp add` and `mcp list`, which need no login."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.client_snippets import CLIENTS, Target
from gateway.keys.secret import ApiKey
from tests.support.gateway import Gateway, running_gateway
from tests.support.node import NodePackages, installed

FOLDER = Path(__file__).with_name("claude_code")


@pytest.fixture(scope="module")
def executable() -> Path:
    """The executable for this platform, which is an optional package."""
    packages: NodePackages = installed("claude-code", FOLDER)
    found = sorted((packages.modules / "@anthropic-ai").glob("claude-code-linux-*/claude"))
    if not found:
        pytest.skip("Claude Code is missing: npm has no package of it for this platform")
    return found[0]


@pytest.fixture
async def gateway(redis: Redis, valkey_url: str, sdk_server_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(redis, valkey_url, sdk_server_url, tmp_path / "gateway") as gateway:
        yield gateway


class ClaudeCode:
    """Runs shell commands in which `claude` is Claude Code."""

    def __init__(self, executable: Path, home: Path) -> None:
        self._environment = {
            "HOME": str(home),
            "PATH": f"{executable.parent}:{os.environ['PATH']}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        self._home = home

    async def run(self, command: str) -> str:
        """Run a command in the home folder, which must exit with 0; return its output."""
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=self._home,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def add_and_list(self, snippet: str) -> str:
        """Add the gateway with a command, and return the line about it in the list of servers."""
        await self.run(snippet)
        listed = await self.run("claude mcp list")
        (line,) = [line for line in listed.splitlines() if line.startswith("mcp-gateway: ")]
        return line


@pytest.fixture
def claude(executable: Path, tmp_path: Path) -> ClaudeCode:
    home = tmp_path / "home"
    home.mkdir()
    return ClaudeCode(executable, home)


def snippet(gateway: Gateway, key: str) -> str:
    """The command of `mcp-gateway client-config claude-code`."""
    return CLIENTS["claude-code"].build(Target(gateway.url, key)).text


async def test_with_a_good_key_it_is_connected(claude: ClaudeCode, gateway: Gateway) -> None:
    line = await claude.add_and_list(snippet(gateway, await gateway.key()))
    assert line.endswith("Connected")
    assert set(gateway.metrics.reasons) == {"forwarded"}


@pytest.mark.parametrize("kind", ["unknown", "revoked", "malformed"])
async def test_with_a_wrong_key_it_is_not_connected_and_says_why(
    claude: ClaudeCode, gateway: Gateway, kind: str
) -> None:
    record, revoked = await gateway.new_key()
    await gateway.keys.revoke(record.key_id)
    key = {"unknown": ApiKey.generate().text, "revoked": revoked, "malformed": "sk-wrong"}[kind]
    line = await claude.add_and_list(snippet(gateway, key))
    assert "Failed to connect" in line
    assert "Invalid or expired API key" in line


async def test_without_a_key_it_says_that_one_is_needed(claude: ClaudeCode, gateway: Gateway) -> None:
    line = await claude.add_and_list(f"claude mcp add --transport http mcp-gateway {gateway.url}")
    assert "This MCP server takes an API key: send the header Authorization: Bearer sk-" in line
