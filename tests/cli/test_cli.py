"""The command line as a whole: help that teaches, one line for each failure, exit codes, light imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gateway
from gateway.cli import main
from gateway.settings import Settings
from tests.cli.support import Capture

HEAVY = ("aiohttp", "argon2", "chdb", "clickhouse_connect", "mcp", "pandas", "rich", "sqlglot")


def lines(capsys: Capture) -> list[str]:
    """The lines on standard error; standard output must be empty."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_importing_the_command_line_is_light() -> None:
    code = f"import sys, gateway.cli.app; sys.exit(' '.join(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_the_version_is_printed(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mcp-gateway {gateway.__version__}\n"


COMMANDS = [
    "up",
    "proxy",
    "admin",
    "config",
    "client-config",
    "doctor",
    *("user add", "user list", "user update", "user policy", "user password"),
    *("user disable", "user enable", "user delete", "user reset-link", "user sessions"),
    "rotate-secret",
    *("key create", "key list", "key show", "key revoke", "key rotate", "key update"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: Capture) -> None:
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: mcp-gateway {command}")


def test_the_overview_names_every_command_in_a_whole_sentence(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in {command.split()[0] for command in COMMANDS}:
        assert f"\n  {command} " in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_no_arguments_show_the_help(capsys: Capture) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert "Usage: mcp-gateway" in captured.out + captured.err


@pytest.mark.parametrize("arguments", ["nonsense", "up --nonsense", "key create", "key rotate k --overlap-seconds x"])
def test_wrong_usage_is_exit_code_2(arguments: str, capsys: Capture) -> None:
    assert main(arguments.split()) == 2
    assert "Error: " in lines(capsys)[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        "user list",
        "user disable a@example.com",
        "key list",
        "key show key_a",
        "key revoke key_a",
        "key create --name a",
    ],
)
def test_nothing_running_says_what_to_start_or_set(arguments: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(arguments.split()) == 1
    assert lines(capsys) == [
        f"mcp-gateway: no gateway runs on {tmp_path / 'data'}: start one with `mcp-gateway up`,"
        " name its folder with --data-dir, or set GATEWAY_REDIS_URL"
    ]


def test_a_stale_instance_file_is_ignored(tmp_path: Path, capsys: Capture) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "runtime.json").write_text(
        f'{{"pid":{ended.pid},"redis_url":"unix:///x","proxy_url":"http://p/mcp","admin_url":"http://a"}}'
    )
    assert main(["key", "list", "--data-dir", str(tmp_path)]) == 1
    assert "no gateway runs on" in lines(capsys)[0]
    (tmp_path / "runtime.json").write_text("{")
    assert main(["key", "list", "--data-dir", str(tmp_path)]) == 1


def test_an_unreachable_redis_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    assert main(["key", "list"]) == 1
    [line] = lines(capsys)
    assert line.startswith("mcp-gateway: Redis at redis://:********@127.0.0.1:1/0 cannot be used: ")
    assert line.endswith("check GATEWAY_REDIS_URL")


@pytest.mark.parametrize("command", ["up", "proxy", "admin", "config", "key list", "client-config curl"])
def test_all_faults_of_the_settings_are_shown(command: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_REDIS_URL", "hunter2")
    monkeypatch.setenv("GATEWAY_SPEED", "1")
    assert main(command.split()) == 1
    shown = lines(capsys)
    assert [line.split(":")[1] for line in shown[:2]] == [" GATEWAY_SPEED", " GATEWAY_REDIS_URL"]
    assert "hunter2" not in "".join(shown)


def test_proxy_and_admin_name_their_missing_settings(capsys: Capture) -> None:
    assert main(["proxy"]) == 1
    assert [line.split(" ")[1] for line in lines(capsys)] == ["GATEWAY_UPSTREAM_URL:", "GATEWAY_REDIS_URL:"]
    assert main(["admin"]) == 1
    assert len(lines(capsys)) == 3


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Settings]]:
    """The commands that were called, with their settings; none is started."""
    seen: list[tuple[str, Settings]] = []

    def instead(command: str) -> Callable[[Settings], int]:
        def run(settings: Settings) -> int:
            seen.append((command, settings))
            return 3

        return run

    for command in ("up", "proxy", "admin"):
        monkeypatch.setattr(f"gateway.runtime.{command}_command.run_{command}", instead(command))
    return seen


def test_flags_become_settings_and_the_exit_code_is_passed_on(
    started: list[tuple[str, Settings]], tmp_path: Path
) -> None:
    flags = "--upstream http://127.0.0.1:9/mcp --host 0.0.0.0 --proxy-port 1 --admin-port 2 --workers 3"
    config = tmp_path / "gateway.toml"
    config.write_text('log_level = "debug"\nproxy_port = 9')
    assert main(["up", *flags.split(), "--data-dir", str(tmp_path / "d"), "--config", str(config)]) == 3
    [(command, settings)] = started
    assert command == "up"
    assert settings.upstream_url == "http://127.0.0.1:9/mcp"
    assert (settings.host, settings.proxy_port, settings.admin_port, settings.workers) == ("0.0.0.0", 1, 2, 3)
    assert settings.data_dir == tmp_path / "d"
    assert settings.log_level == "debug"


def test_proxy_and_admin_start_with_their_settings(
    started: list[tuple[str, Settings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "http://127.0.0.1:9/mcp")
    monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://127.0.0.1")
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:8123")
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "x" * 32)
    assert main(["proxy", "--proxy-port", "5"]) == 3
    assert main(["admin", "--admin-port", "6"]) == 3
    assert [(command, s.proxy_port, s.admin_port) for command, s in started] == [
        ("proxy", 5, 8000),
        ("admin", 8001, 6),
    ]


def test_a_wrong_flag_is_named_as_it_was_written(capsys: Capture) -> None:
    assert main(["up", "--upstream", "localhost:9000", "--workers", "0"]) == 1
    assert lines(capsys) == [
        "mcp-gateway: --upstream: must be a full URL, such as http://127.0.0.1:9000/mcp",
        "mcp-gateway: --workers: must be a number from 1 to 256, not 0",
    ]
