"""Completion of commands in shells, and the options that all commands have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli import main
from gateway.cli.app import app
from tests.cli.support import Capture


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its path."""
    if groups := getattr(command, "commands", None):
        for name, below in groups.items():
            yield from commands(below, *path, name)
    else:
        yield " ".join(path), command


COMMANDS = dict(commands(get_command(app)))
WITHOUT_JSON = {"up", "proxy", "admin", "usage export"}
"""They run until they are stopped, or write a file in a format of their own."""


def test_every_command_that_ends_can_print_json() -> None:
    without = {path for path, command in COMMANDS.items() if not any("--json" in one.opts for one in command.params)}
    assert without == WITHOUT_JSON


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("mcp-gateway ke", {"key"}),
        ("mcp-gateway key re", {"revoke", "resume"}),
        ("mcp-gateway key list --status s", {"suspended"}),
        ("mcp-gateway key bulk-revoke --d", {"--dry-run", "--data-dir"}),
    ],
)
def test_bash_completes_commands_options_and_values(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: str, completions: set[str]
) -> None:
    monkeypatch.setenv("_MCP_GATEWAY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert main([]) == 0
    assert set(capsys.readouterr().out.split()) == completions


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(capsys: Capture, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setattr(sys, "argv", ["mcp-gateway"])
    assert main(["--show-completion", shell]) == 0
    assert "_MCP_GATEWAY_COMPLETE" in capsys.readouterr().out
