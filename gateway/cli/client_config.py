"""`mcp-gateway client-config`: prints the configuration of an MCP client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table
from gateway.cli.support.stores import find_instance
from gateway.settings import load_settings

if TYPE_CHECKING:
    from gateway.client_snippets import Target

ClientName = Annotated[
    str | None,
    typer.Argument(metavar="CLIENT", help="The MCP client, such as claude-code or cursor.", show_default=False),
]
Url = Annotated[
    str | None,
    typer.Option(
        help="URL of the gateway's MCP endpoint.",
        show_default="GATEWAY_PUBLIC_URL, the running one, or 127.0.0.1:8001",
        callback=options.whole_url,
    ),
]
Key = Annotated[
    str | None, typer.Option(help="The API key. Without it, the output has a placeholder.", show_default=False)
]


def client_config(
    client: ClientName = None,
    url: Url = None,
    key: Key = None,
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
    from gateway.client_snippets import CLIENTS
    from gateway.doctor.key import form_fault

    if list_clients:
        _print_clients(as_json)
        return
    if client is None:
        raise CliError("name a client: list them with `mcp-gateway client-config --list`")
    if client not in CLIENTS:
        raise CliError(_unknown_client(client))
    snippet = CLIENTS[client].snippet(_target(url, config_file, data_dir)._replace(key=key, name=name))
    link = snippet.link.url if snippet.link is not None else None
    if as_json:
        print_json({**snippet._asdict(), "client": client, "link": link})
        return
    if key is not None and (fault := form_fault(key)):
        print_stderr(f"warning: {fault.finding}: {fault.fix}\n")
    print_stderr(f"{CLIENTS[client].title}: put this into {snippet.where}\n")
    typer.echo(snippet.text)
    for note in snippet.notes:
        print_stderr(f"\n{note}")
    if snippet.powershell is not None:
        print_stderr(f"\nIn PowerShell:\n{snippet.powershell}")
    if link is not None:
        print_stderr(f"\nOr open this link:\n{link}")


def _print_clients(as_json: bool) -> None:
    from gateway.client_snippets import CLIENTS

    titles = {client_id: client.title for client_id, client in CLIENTS.items()}
    if as_json:
        print_json(titles)
    else:
        print_table(("CLIENT", ""), list(titles.items()))


def _target(url: str | None, config_file: Path | None, data_dir: Path | None) -> Target:
    from gateway.client_snippets import Target
    from gateway.runtime import startup_banner

    if url is not None:
        return Target(url)
    settings = load_settings(config_file, {"data_dir": data_dir})
    instance = find_instance(settings.data_dir)
    if instance is not None and settings.public_url is None:
        url = instance.public_url or instance.proxy_url
        return Target(url, has_own_certificate=instance.settings.get("tls_cert") is not None)
    return Target(startup_banner.client_url(settings), has_own_certificate=settings.tls_cert is not None)


def _unknown_client(client: str) -> str:
    import difflib

    from gateway.client_snippets import CLIENTS

    near = difflib.get_close_matches(client, CLIENTS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown client {client}: {hint}list the supported ones with `mcp-gateway client-config --list`"
