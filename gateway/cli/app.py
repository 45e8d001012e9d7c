"""Registers the commands, and turns errors into one line on standard error and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import gateway
from gateway.cli import alerts, backup, client_config, diagnostics, jwt_secret, run
from gateway.cli.audit import commands as audit
from gateway.cli.keys import commands as keys
from gateway.cli.metering import commands as metering
from gateway.cli.support.output import CliError, print_stderr
from gateway.cli.top import command as top_command
from gateway.cli.usage import commands as usage
from gateway.cli.users import commands as users
from gateway.settings import SettingsError

app = typer.Typer(
    name="mcp-gateway",
    no_args_is_help=True,
    # Plain text is the same in a terminal, a pipe and a log. Rich tracebacks would print local variables, which may
    # be secrets.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="API keys and usage metering in front of any MCP server.",
    epilog="Start with: mcp-gateway up\n\nExit codes: 0 success, 1 failure, 2 wrong usage, 130 ended by Ctrl-C.",
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"mcp-gateway {gateway.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command()(run.up)
app.command()(run.proxy)
app.command()(run.admin)
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="key")
app.add_typer(usage.app, name="usage")
app.command()(top_command.top)
app.add_typer(audit.app, name="audit")
app.add_typer(alerts.app, name="alert")
app.add_typer(metering.app, name="metering")
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(jwt_secret.rotate_secret)
app.command()(diagnostics.config)
app.command(name="client-config")(client_config.client_config)
app.command()(diagnostics.doctor)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        app(args=list(arguments), prog_name="mcp-gateway")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except SettingsError as error:
        for fault in error.faults:
            print_stderr(f"mcp-gateway: {fault}")
    except CliError as error:
        print_stderr(f"mcp-gateway: {error}")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
    return 1
