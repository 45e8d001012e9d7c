"""All commands of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from gateway.cli.app import app


def _commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if groups := getattr(command, "commands", None):
        for name, below in groups.items():
            yield from _commands(below, *path, name)
    else:
        yield " ".join(path), command


COMMANDS: dict[str, Any] = dict(_commands(get_command(app)))
"""Every command that does something, by its path."""


def options_of(command: Any) -> set[str]:
    """Return the names of a command's options."""
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")}
