"""Completion of commands, options, values, key ids and emails in shells."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gateway.cli import main
from gateway.keys.store import KeyStore
from tests.cli.keys import OWNER, add_user, create_key, on_keys
from tests.cli.support import Capture

Environment = pytest.MonkeyPatch


def complete(capsys: Capture, environment: Environment, words: str) -> list[str]:
    """Return what bash completes; the last of the words may be empty."""
    environment.setenv("_MCP_GATEWAY_COMPLETE", "complete_bash")
    environment.setenv("COMP_WORDS", words)
    environment.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert main([]) == 0
    environment.delenv("_MCP_GATEWAY_COMPLETE")
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.split()


def completed_by(shell: str, environment: Environment, words: str) -> str:
    """Return what another shell reads."""
    environment.setenv("_MCP_GATEWAY_COMPLETE", f"complete_{shell}")
    environment.setenv("_TYPER_COMPLETE_ARGS", words)
    environment.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    return subprocess.run([sys.executable, "-m", "gateway.cli"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("mcp-gateway ke", {"key"}),
        ("mcp-gateway key re", {"revoke", "resume"}),
        ("mcp-gateway key list --status s", {"suspended"}),
        ("mcp-gateway key bulk-revoke --d", {"--dry-run", "--data-dir"}),
        ("mcp-gateway user sessions --s", {"--session-id"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    capsys: Capture, monkeypatch: Environment, words: str, completions: set[str]
) -> None:
    assert set(complete(capsys, monkeypatch, words)) == completions


def test_ids_of_keys_that_are_not_revoked_are_completed(
    redis_url: str, capsys: Capture, monkeypatch: Environment
) -> None:
    add_user(redis_url, OWNER)
    laptop, phone, gone = (create_key(capsys, "--name", name)["key_id"] for name in ("Laptop", "phone", "lapsed"))
    assert main(["key", "revoke", gone, "--yes"]) == 0
    capsys.readouterr()
    assert complete(capsys, monkeypatch, "mcp-gateway key show ") == [phone, laptop]
    assert complete(capsys, monkeypatch, f"mcp-gateway key rotate {phone[:8]}") == [phone]
    assert complete(capsys, monkeypatch, "mcp-gateway key update nothing") == []


@pytest.mark.parametrize(
    "words", ["user disable", "user delete x --transfer-to", "key list --owner", "key transfer k --to"]
)
def test_emails_are_completed(redis_url: str, capsys: Capture, monkeypatch: Environment, words: str) -> None:
    for email in (OWNER, "bob@example.com"):
        add_user(redis_url, email)
    assert complete(capsys, monkeypatch, f"mcp-gateway {words} ") == [OWNER, "bob@example.com"]
    assert complete(capsys, monkeypatch, f"mcp-gateway {words} b") == ["bob@example.com"]


def test_at_most_fifty_are_offered(redis_url: str, capsys: Capture, monkeypatch: Environment) -> None:
    async def create(keys: KeyStore) -> None:
        for _ in range(51):
            await keys.create(owner=OWNER, key_name="laptop")

    on_keys(redis_url, create)
    assert len(complete(capsys, monkeypatch, "mcp-gateway key show ")) == 50


def test_a_long_name_is_cut_and_never_a_second_completion(
    redis_url: str, capsys: Capture, monkeypatch: Environment
) -> None:
    add_user(redis_url, OWNER)
    key_id = create_key(capsys, "--name", "many words " * 9)["key_id"]
    shown = completed_by("fish", monkeypatch, "mcp-gateway key show ")
    assert shown.splitlines() == [f"{key_id}\t{('many words ' * 9)[:60]}"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_what_users_named_is_never_code_for_the_shell(
    redis_url: str, capsys: Capture, monkeypatch: Environment, shell: str
) -> None:
    add_user(redis_url, OWNER)
    add_user(redis_url, "`touch-x`@example.com")
    key_id = create_key(capsys, "--owner", OWNER, "--name", "a\"b'$(touch x)`touch x`;|\\ é")["key_id"]
    shown = completed_by(shell, monkeypatch, "mcp-gateway key show ")
    assert key_id in shown
    assert "a?b???touch x??touch x???? é, ada@example.com" in shown
    emails = completed_by(shell, monkeypatch, "mcp-gateway user disable ")
    assert OWNER in emails
    assert "touch" not in emails


@pytest.mark.parametrize("fault", ["nothing runs", "no Redis", "malformed settings"])
def test_a_fault_completes_nothing_and_prints_nothing(fault: str, capsys: Capture, monkeypatch: Environment) -> None:
    if fault == "no Redis":
        monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://127.0.0.1:1/0")
    if fault == "malformed settings":
        monkeypatch.setenv("GATEWAY_REDIS_URL", "nonsense")
    assert complete(capsys, monkeypatch, "mcp-gateway key show ") == []


def test_the_gateway_of_the_given_folder_is_asked(redis_url: str, capsys: Capture, monkeypatch: Environment) -> None:
    add_user(redis_url, OWNER)
    key_id = create_key(capsys)["key_id"]
    monkeypatch.delenv("GATEWAY_REDIS_URL")
    with open("gateway.toml", "w", encoding="utf-8") as file:
        file.write(f"redis_url = {json.dumps(redis_url)}\n")
    assert complete(capsys, monkeypatch, "mcp-gateway key show --config gateway.toml ") == [key_id]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(capsys: Capture, monkeypatch: Environment, shell: str) -> None:
    monkeypatch.setattr(sys, "argv", ["mcp-gateway"])
    # Otherwise the script is that of the shell that runs the tests, if a shell does.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert main(["--show-completion", shell]) == 0
    assert "_MCP_GATEWAY_COMPLETE" in capsys.readouterr().out
