"""`mcp-gateway config` and `doctor`: print the effective settings, and check a gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.output import print_json, print_table
from gateway.cli.support.stores import find_instance
from gateway.settings import Settings, SettingsError, load_settings
from gateway.tls.local_client import local_verification

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


def doctor(
    key: Annotated[
        str | None, typer.Option(help="An API key, for a check that lists the tools.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="URL of the gateway's MCP endpoint.",
            show_default="the running one, or the configured one",
            callback=options.whole_url,
        ),
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
        warnings = [Check("settings", "warning", warning) for warning in settings.warnings]
        checks = [Check("settings", "ok", "all are well-formed"), *warnings, *results]
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
    tls = local_verification(settings.tls_cert if instance is None else instance.settings.get("tls_cert"))
    proxy_tls = tls if url is None else True
    if instance is None:
        return Deployment(
            settings=settings,
            redis_url=settings.redis_url,
            proxy_url=url or startup_banner.proxy_url(settings),
            admin_url=startup_banner.admin_url(settings),
            is_up_running=False,
            are_commands_separate=settings.redis_url is not None,
            key=key,
            admin_tls=tls,
            proxy_tls=proxy_tls,
        )
    return Deployment(
        settings=settings.replaced(
            **{name: value for name, value in instance.settings.items() if name in Settings.model_fields}
        ),
        redis_url=instance.redis_url,
        proxy_url=url or instance.proxy_url,
        admin_url=instance.admin_url,
        is_up_running=True,
        are_commands_separate=False,
        key=key,
        admin_tls=tls,
        proxy_tls=proxy_tls,
        unknown_secrets=frozenset(instance.secrets) - frozenset(settings.given_secrets()),
    )
