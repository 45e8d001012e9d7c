"""`config`, `client-config` and `doctor` from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.client_snippets import CLIENTS
from gateway.settings.markdown import settings_page
from tests.cli.support import Capture


def write_instance_file(folder: Path, **more: str) -> None:
    """Make a folder look like the data folder of a running `up`."""
    folder.mkdir(exist_ok=True)
    (folder / "runtime.json").write_text(
        json.dumps(
            {
                "pid": os.getpid(),
                "redis_url": "unix:///nowhere/valkey.sock",
                "proxy_url": "http://127.0.0.1:18001/mcp",
                "admin_url": "http://127.0.0.1:18000",
                **more,
            }
        )
    )


def test_config_prints_values_and_sources_and_masks_secrets(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "hunter2" * 8)
    monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://:hunter2@host/0")
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "5")
    assert main(["config", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["proxy_port"] == {
        "name": "proxy_port",
        "variable": "GATEWAY_PROXY_PORT",
        "value": "5",
        "source": "environment",
    }
    assert rows["redis_url"]["value"] == "redis://:********@host/0"
    assert main(["config"]) == 0
    shown = capsys.readouterr().out
    assert "hunter2" not in shown
    assert "GATEWAY_HOST" in shown


def test_config_prints_the_documentation_page(capsys: Capture) -> None:
    assert main(["config", "--markdown"]) == 0
    assert capsys.readouterr().out == settings_page()


def test_standard_output_has_only_the_snippet(capsys: Capture) -> None:
    assert main(["client-config", "cursor", "--key", "sk-x", "--url", "https://h/mcp", "--name", "mine"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["mcpServers"]["mine"] == {
        "url": "https://h/mcp",
        "headers": {"Authorization": "Bearer sk-x"},
    }
    assert "~/.cursor/mcp.json" in captured.err


def test_the_url_is_that_of_the_running_gateway_or_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert main(["client-config", "curl"]) == 0
    assert "http://127.0.0.1:8001/mcp" in capsys.readouterr().out
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "7001")
    assert main(["client-config", "curl"]) == 0
    assert "http://127.0.0.1:7001/mcp" in capsys.readouterr().out
    write_instance_file(tmp_path / "data")
    assert main(["client-config", "curl"]) == 0
    assert "http://127.0.0.1:18001/mcp" in capsys.readouterr().out


def test_the_public_url_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    write_instance_file(tmp_path / "data", public_url="https://mcp.example.com/mcp")
    assert main(["client-config", "curl"]) == 0
    assert "https://mcp.example.com/mcp" in capsys.readouterr().out
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://other.example.com/mcp")
    assert main(["client-config", "curl"]) == 0
    assert "https://other.example.com/mcp" in capsys.readouterr().out


def test_clients_are_listed_and_a_similar_name_is_suggested(capsys: Capture) -> None:
    assert main(["client-config", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(client in shown for client in CLIENTS)
    assert main(["client-config", "claude-cod"]) == 1
    assert "did you mean claude-code?" in capsys.readouterr().err
    assert main(["client-config"]) == 1
    assert "name a client" in capsys.readouterr().err
    assert main(["client-config", "codex", "--json", "--key", "sk-x"]) == 0
    assert json.loads(capsys.readouterr().out)["where"] == "~/.codex/config.toml"


def test_a_key_that_a_client_could_not_use_is_a_warning_beside_the_snippet(capsys: Capture) -> None:
    assert main(["client-config", "curl", "--key", "Bearer sk-x"]) == 0
    captured = capsys.readouterr()
    assert "warning: the key begins with the scheme Bearer: pass the key alone" in captured.err
    assert "warning" not in captured.out


@pytest.mark.parametrize("command", ["client-config curl", "doctor"])
def test_a_url_without_a_scheme_is_refused(command: str, capsys: Capture) -> None:
    assert main([*command.split(), "--url", "mcp.example.com/mcp"]) == 1
    assert capsys.readouterr().err.startswith("mcp-gateway: --url mcp.example.com/mcp: write the whole URL")


def test_doctor_fails_if_nothing_runs_and_names_the_command_to_start(capsys: Capture) -> None:
    assert main(["doctor", "--url", "http://127.0.0.1:1/mcp"]) == 1
    shown = capsys.readouterr().out
    assert "✓ settings: all are well-formed" in shown
    assert "✗ proxy: no server answers at http://127.0.0.1:1/mcp: start it with `mcp-gateway up`" in shown


def test_doctor_lists_the_faults_of_the_settings(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_SPEED", "1")
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "x")
    assert main(["doctor", "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)
    assert [(check["name"], check["state"], check["seen"]) for check in checks] == [
        ("settings", "failed", "GATEWAY_SPEED"),
        ("settings", "failed", "GATEWAY_PROXY_PORT"),
    ]
    assert checks[1]["mend"] == "must be a whole number, not x"
