"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.support.completion import complete_email
from gateway.cli.support.output import CliError

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.", show_default=False)
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Data folder of `mcp-gateway up`. Default: GATEWAY_DATA_DIR, or ./data.",
        show_default=False,
    ),
]


def stored_email(value: str | None) -> str | None:
    """Return an email in the form in which it is stored; it need not exist."""
    return None if value is None else value.strip().casefold()


def whole_url(value: str | None) -> str | None:
    """Return the value of `--url`. Raises `CliError` unless it is a URL with scheme and host."""
    if value is not None and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
        raise CliError(f"--url {value}: write the whole URL of the MCP endpoint, such as http://127.0.0.1:8001/mcp")
    return value


NewEmail = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email.", show_default=False)]
UserEmail = Annotated[
    str,
    typer.Argument(metavar="EMAIL", help="The user's email.", show_default=False, autocompletion=complete_email),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
ProxyPort = Annotated[int | None, typer.Option(help="Port for MCP clients.", show_default="8001")]
AdminPort = Annotated[int | None, typer.Option(help="Port of the admin API and the dashboard.", show_default="8000")]
Workers = Annotated[int | None, typer.Option(help="Number of proxy processes.", show_default="cores, at most 4")]
PasswordFromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]
