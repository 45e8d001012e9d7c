"""Help texts have correct examples and the exit codes, and every command that ends can print JSON."""

from __future__ import annotations

import re

import pytest

from gateway.cli import main
from tests.cli.catalog import COMMANDS, options_of
from tests.cli.support import Capture

WITHOUT_JSON = {"up", "proxy", "admin", "usage export", "audit export"}
"""They run until they are stopped, or write a file in a format of their own."""


def test_every_command_that_ends_can_print_json() -> None:
    assert {path for path, command in COMMANDS.items() if "--json" not in options_of(command)} == WITHOUT_JSON


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_every_command_has_an_example_with_options_that_exist(path: str, capsys: Capture) -> None:
    assert main([*path.split(), "--help"]) == 0
    shown = capsys.readouterr().out.partition("Options:")[0]
    examples = re.findall(rf"mcp-gateway {path}\b([^|#)\n]*)", shown.partition("Example")[2])
    assert examples
    used = {name for example in examples for name in re.findall(r"(?<!\S)--?[a-z][a-z-]*", example)}
    assert used <= options_of(COMMANDS[path])


def test_the_help_tells_the_exit_codes(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    assert "Exit codes: 0 success, 1 failure, 2 wrong usage" in capsys.readouterr().out
