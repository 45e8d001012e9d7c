"""`config`, `client-config` and `doctor`: seeing how things stand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import options
from gateway.cli.output import CliError, print_json, print_table, tell
from gateway.cli.running import read_runtime
from gateway.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from gateway.doctor import Check, Subject

_SIGNS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}


def config(
    as_json: options.Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference page of all settings as Markdown instead.")
    ] = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Print the settings in force, and their sources.

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
    client: Annotated[str | None, typer.Argument(metavar="CLIENT", help="Which client.", show_default=False)] = None,
    url: Annotated[
        str | None,
        typer.Option(help="The gateway's MCP endpoint.", show_default="the running one, or 127.0.0.1:8001"),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The API key; without it a placeholder is printed.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="What the client calls the server.")] = "mcp-gateway",
    list_clients: Annotated[bool, typer.Option("--list", help="List the clients.")] = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Print how to point an MCP client at the gateway.

    \b
    Examples:
      mcp-gateway client-config claude-code --key sk-…
      mcp-gateway client-config cursor --url https://mcp.example.com/mcp
      mcp-gateway client-config --list
    """
    from gateway.client_snippets import CLIENTS, Target, snippet

    if list_clients:
        if as_json:
            print_json({known: entry.title for known, entry in CLIENTS.items()})
        else:
            print_table(("CLIENT", ""), [(known, entry.title) for known, entry in CLIENTS.items()])
        return
    if client is None:
        raise CliError("name a client: `mcp-gateway client-config --list` shows all")
    if client not in CLIENTS:
        raise CliError(_unknown_client(client))
    made = snippet(client, Target(url or _proxy_url(config_file, data_dir), key, name))
    if as_json:
        print_json({"client": client, "where": made.where, "text": made.text, "notes": made.notes})
        return
    tell(f"{CLIENTS[client].title}: put this into {made.where}\n")
    typer.echo(made.text.rstrip("\n"))
    for note in made.notes:
        tell(f"\n{note}")


def doctor(
    key: Annotated[str | None, typer.Option(help="An API key, to list the tools with.", show_default=False)] = None,
    url: Annotated[
        str | None,
        typer.Option(help="The gateway's MCP endpoint.", show_default="the running one, or the configured one"),
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Check everything, and name each mend.

    Exit code 1 where something is wrong.

    \b
    Example:
      mcp-gateway doctor --key sk-…
    """
    from gateway.doctor import Check, examine

    try:
        settings = load_settings(config_file, {"data_dir": data_dir})
    except SettingsError as error:
        checks = [Check("settings", "failed", *str(fault).split(": ", 1)) for fault in error.faults]
    else:
        seen = asyncio.run(examine(_subject(settings, key, url)))
        checks = [Check("settings", "ok", "all are well-formed"), *seen]
    if as_json:
        print_json([check._asdict() for check in checks])
    else:
        for check in checks:
            typer.echo(_line(check))
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def _line(check: Check) -> str:
    mend = f": {check.mend}" if check.mend else ""
    return f"{_SIGNS[check.state]} {check.name}: {check.seen}{mend}"


def _subject(settings: Settings, key: str | None, url: str | None) -> Subject:
    from gateway.doctor import Subject
    from gateway.runtime import startup_banner

    runtime = read_runtime(settings.data_dir)
    return Subject(
        settings=settings,
        redis_url=settings.redis_url or (runtime.redis_url if runtime else None),
        proxy_url=url or (runtime.proxy_url if runtime else startup_banner.proxy_url(settings)),
        admin_url=runtime.admin_url if runtime else startup_banner.admin_url(settings),
        is_up_running=runtime is not None,
        is_role_configured=settings.redis_url is not None,
        key=key,
    )


def _proxy_url(config_file: Path | None, data_dir: Path | None) -> str:
    from gateway.runtime import startup_banner

    settings = load_settings(config_file, {"data_dir": data_dir})
    runtime = read_runtime(settings.data_dir)
    return runtime.proxy_url if runtime else startup_banner.proxy_url(settings)


def _unknown_client(client: str) -> str:
    import difflib

    from gateway.client_snippets import CLIENTS

    near = difflib.get_close_matches(client, CLIENTS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no configuration for {client}: {hint}`mcp-gateway client-config --list` shows all"
