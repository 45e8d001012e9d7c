"""`config`, `client-config` and `doctor`: commands that print settings, client configurations and checks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table
from gateway.cli.support.services import find_instance
from gateway.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from gateway.doctor import Check, Deployment

_SYMBOLS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}


def config(
    as_json: options.Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference page of all settings as Markdown instead.")
    ] = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Print the effective settings and where each one comes from.

    Secrets are masked.

    \b
    Example:
      mcp-gateway config --config gateway.toml
    """
    if markdown:
        from gateway.settings.markdown import settings_page

        typer.echo(settings_page(), nl=False)
        return
    rows = load_settings(config_file, {"data_dir": data_dir}).effective()
    if as_json:
        print_json([row._asdict() for row in rows])
    else:
        print_table(("SETTING", "VALUE", "FROM"), [(row.variable, row.value, row.source) for row in rows])


def client_config(
    client: Annotated[
        str | None,
        typer.Argument(metavar="CLIENT", help="The MCP client, such as claude-code or cursor.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="URL of the gateway's MCP endpoint.", show_default="the running one, or 127.0.0.1:8001"),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The API key. Without it, the output has a placeholder.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the server in the client.")] = "mcp-gateway",
    list_clients: Annotated[bool, typer.Option("--list", help="List the supported clients.")] = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Print the configuration of an MCP client.

    \b
    Examples:
      mcp-gateway client-config claude-code --key sk-…
      mcp-gateway client-config cursor --url https://mcp.example.com/mcp
      mcp-gateway client-config --list
    """
    from gateway.client_snippets import CLIENTS, Target

    if list_clients:
        if as_json:
            print_json({client_id: entry.title for client_id, entry in CLIENTS.items()})
        else:
            print_table(("CLIENT", ""), [(client_id, entry.title) for client_id, entry in CLIENTS.items()])
        return
    if client is None:
        raise CliError("name a client: list them with `mcp-gateway client-config --list`")
    if client not in CLIENTS:
        raise CliError(_unknown_client(client))
    snippet = CLIENTS[client].build(Target(url or _proxy_url(config_file, data_dir), key, name))
    if as_json:
        print_json({"client": client, "where": snippet.where, "text": snippet.text, "notes": snippet.notes})
        return
    print_stderr(f"{CLIENTS[client].title}: put this into {snippet.where}\n")
    typer.echo(snippet.text.rstrip("\n"))
    for note in snippet.notes:
        print_stderr(f"\n{note}")


def doctor(
    key: Annotated[
        str | None, typer.Option(help="An API key, for a check that lists the tools.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="URL of the gateway's MCP endpoint.", show_default="the running one, or the configured one"),
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Check the gateway and name a fix for each problem.

    Exits with 1 if a check failed.

    \b
    Example:
      mcp-gateway doctor --key sk-…
    """
    from gateway.doctor import Check, run_checks

    try:
        settings = load_settings(config_file, {"data_dir": data_dir})
    except SettingsError as error:
        checks = [Check("settings", "failed", *str(fault).split(": ", 1)) for fault in error.faults]
    else:
        results = asyncio.run(run_checks(_deployment(settings, key, url)))
        checks = [Check("settings", "ok", "all are well-formed"), *results]
    if as_json:
        print_json([_to_json(check) for check in checks])
    else:
        for check in checks:
            typer.echo(_line(check))
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def _to_json(check: Check) -> dict[str, str]:
    return {"name": check.name, "state": check.state, "seen": check.finding, "mend": check.fix}


def _line(check: Check) -> str:
    fix = f": {check.fix}" if check.fix else ""
    return f"{_SYMBOLS[check.state]} {check.name}: {check.finding}{fix}"


def _deployment(settings: Settings, key: str | None, url: str | None) -> Deployment:
    from gateway.doctor import Deployment
    from gateway.runtime import startup_banner

    instance = find_instance(settings.data_dir)
    return Deployment(
        settings=settings,
        redis_url=settings.redis_url or (instance.redis_url if instance else None),
        proxy_url=url or (instance.proxy_url if instance else startup_banner.proxy_url(settings)),
        admin_url=instance.admin_url if instance else startup_banner.admin_url(settings),
        is_up_running=instance is not None,
        is_role_configured=settings.redis_url is not None,
        key=key,
    )


def _proxy_url(config_file: Path | None, data_dir: Path | None) -> str:
    from gateway.runtime import startup_banner

    settings = load_settings(config_file, {"data_dir": data_dir})
    instance = find_instance(settings.data_dir)
    return instance.proxy_url if instance else startup_banner.proxy_url(settings)


def _unknown_client(client: str) -> str:
    import difflib

    from gateway.client_snippets import CLIENTS

    near = difflib.get_close_matches(client, CLIENTS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown client {client}: {hint}list the supported ones with `mcp-gateway client-config --list`"
