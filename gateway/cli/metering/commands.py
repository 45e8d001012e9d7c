"""Registers the commands of `mcp-gateway metering`."""

from __future__ import annotations

import typer

from gateway.cli.metering import explain, suggest

app = typer.Typer(no_args_is_help=True, help="Metering: explain counts, and suggest rules.")
app.command()(explain.explain)
app.command()(suggest.suggest)
