"""The output of `mcp-gateway client-config` works unchanged in the clients that can run here."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastmcp import Client

from gateway.cli import main
from tests.clients.conftest import GatewayOf
from tests.clients.programs import NODE_FOLDER, inspect
from tests.clients.upstreams import JSON, SESSIONS
from tests.support.admin_client import AdminClient, Key
from tests.support.node import NodePackages

CALL = ("--method", "tools/call", "--tool-name", "read_rows", "--tool-arg", "limit=3")
RESULT = {"table": "trades", "record_count": 3}

Printed = Callable[..., str]


@pytest.fixture
def key(admin: AdminClient) -> Key:
    return admin.new_key("configured")


@pytest.fixture
def printed(gateway_of: GatewayOf, key: Key, capsys: pytest.CaptureFixture[str]) -> Printed:
    """A function that returns the output of the command for a client."""

    def print_for(client: str, upstream: str = SESSIONS) -> str:
        url = f"{gateway_of(upstream).url}/mcp"
        capsys.readouterr()
        assert main(["client-config", client, "--url", url, "--key", key.text]) == 0
        return capsys.readouterr().out

    return print_for


@pytest.mark.parametrize("client", ["claude-desktop", "copilot-cli"])
def test_inspector_works_with_the_configuration(
    client: str, printed: Printed, packages: NodePackages, tmp_path: Path, key: Key, admin: AdminClient
) -> None:
    config = tmp_path / "mcp.json"
    config.write_text(printed(client))
    server = ("--config", str(config), "--server", "mcp-gateway")
    assert inspect(packages, tmp_path, *server, *CALL)["structuredContent"] == RESULT
    assert_metered(key, admin)


@pytest.mark.parametrize("client", ["cursor", "other"])
def test_fastmcp_works_with_the_configuration(client: str, printed: Printed, key: Key, admin: AdminClient) -> None:
    async def call() -> object:
        async with Client(json.loads(printed(client))) as connected:
            return (await connected.call_tool("read_rows", {"limit": 3})).structured_content

    assert asyncio.run(call()) == RESULT
    assert_metered(key, admin)


@pytest.mark.parametrize("client", ["python", "fastmcp"])
def test_the_python_program_runs(client: str, printed: Printed) -> None:
    completed = subprocess.run([sys.executable, "-c", printed(client)], capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    assert "'read_rows'" in completed.stdout


def test_the_javascript_program_runs(printed: Printed, packages: NodePackages) -> None:
    command = [str(packages.node), "--input-type=module", "--eval", printed("typescript")]
    completed = subprocess.run(command, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    assert "'read_rows'" in completed.stdout


def test_the_curl_command_runs_without_a_session(printed: Printed) -> None:
    completed = subprocess.run(printed("curl", JSON), shell=True, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout)["result"]["tools"][0]["name"] == "read_rows"


def assert_metered(key: Key, admin: AdminClient) -> None:
    (call,) = admin.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["record_count"]) == ("read_rows", 3)
