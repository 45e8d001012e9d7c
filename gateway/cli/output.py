"""What commands print, and how they fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer


class CliError(Exception):
    """What went wrong, in one line that says how to mend it."""


def print_json(value: Any) -> None:
    """Print for a script: one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print for a person: columns under a header."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print for a person: names and values below each other."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        typer.echo(f"{name.ljust(width)}  {value}")


def printable(text: str) -> str:
    """A text of others in one line, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def tell(text: str) -> None:
    """Tell a person something that is no output of the command, on standard error."""
    typer.echo(text, err=True)
