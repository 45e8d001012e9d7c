"""Registers the commands of `mcp-gateway metering`."""

from __future__ import annotations

import typer

from gateway.cli.metering import explain, report, suggest

app = typer.Typer(no_args_is_help=True, help="Metering: explain and report counts, and suggest rules.")
app.command()(explain.explain)
app.command()(report.report)
app.command()(suggest.suggest)
