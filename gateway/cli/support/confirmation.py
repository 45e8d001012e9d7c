"""Confirmation of what cannot be undone: a question on a terminal, or `--yes`.

Commands that end one key or secret, and those of the first version, ask only on a terminal, so that scripts go on
working. Commands that end more need `--yes` without a terminal (`require_confirmation`).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from gateway.cli.support.output import CliError

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal unless `--yes` was given. Raises `CliError` for another answer than yes."""
    if yes or not sys.stdin.isatty():
        return
    try:
        with _interruptible():
            is_confirmed = typer.confirm(f"{question}. Continue?", err=True)
    except typer.Abort:
        is_confirmed = False
    if not is_confirmed:
        raise CliError("nothing was changed")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt a blocking read: asyncio's handler only cancels the task, which waits for the read."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def require_confirmation(question: str, yes: bool) -> None:
    """Ask as `confirm` does. Raises `CliError` also if nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise CliError(f"{question}, which cannot be undone: add --yes to do it without a terminal")
    confirm(question, yes)
