"""Output of commands, and the error that ends one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import typer

from gateway.keys.validation import JOINERS


class CliError(Exception):
    """A command failed; the message is one line that names the fix."""


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns under a header; on a terminal that they do not fit, through `$PAGER`."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    if sys.stdout.isatty() and len(lines) >= shutil.get_terminal_size().lines:
        # Imported here: few commands need it.
        import pydoc

        pydoc.pager("\n".join(lines) + "\n")
        return
    for line in lines:
        typer.echo(line)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair per line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        typer.echo(f"{name.ljust(width)}  {value}")


def print_stderr(text: str) -> None:
    """Print a message for the user to standard error, apart from the output of the command."""
    typer.echo(text, err=True)


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{count} {noun if count == 1 else noun + 's'}"


def shortened(text: str, width: int) -> str:
    """Return a text that fits into a column of this width; an ellipsis is in the place of what does not."""
    return text if len(text) <= width else text[: width - 1] + "…"


def printable(text: str) -> str:
    """Replace control characters, among them terminal escapes and line breaks, by question marks.

    The joiners of emoji and of words, which names may contain, are kept.
    """
    return "".join(character if character.isprintable() or character in JOINERS else "?" for character in text)
