"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
ProxyPort = Annotated[int | None, typer.Option(help="Port for MCP clients.", show_default="8001")]
AdminPort = Annotated[int | None, typer.Option(help="Port of the admin API and the dashboard.", show_default="8000")]
Workers = Annotated[int | None, typer.Option(help="Number of proxy processes.", show_default="cores, at most 4")]
PasswordFromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]
