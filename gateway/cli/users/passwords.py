"""Reading a password, and the messages for invalid ones and for invalid emails."""

from __future__ import annotations

import sys

import typer

from gateway.cli.support.output import CliError

_MAX_PASSWORD_LINE = 8192
"""Characters."""


def check_email(email: str) -> None:
    """Raise `CliError` for what is no email address, before a password is asked for."""
    from gateway.accounts.user import normalize_email

    try:
        normalize_email(email)
    except ValueError as error:
        raise CliError(invalid_message(email, error)) from None


def read_password(from_stdin: bool) -> str:
    """Return the password, from standard input or a prompt. Raises `CliError`."""
    if from_stdin:
        line = sys.stdin.readline(_MAX_PASSWORD_LINE).removesuffix("\n").removesuffix("\r")
        if not line:
            raise CliError("standard input has no password: pipe it in, on one line")
        return line
    if not sys.stdin.isatty():
        raise CliError("there is no terminal to prompt for the password: pipe it in with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def invalid_message(email: str, error: ValueError) -> str:
    """Return the message for an invalid email or password."""
    text = str(error)
    return f"{email} {text}" if text.startswith("is ") else f"the password {text}"
