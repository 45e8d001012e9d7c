"""`up`, `proxy` and `admin`: the commands that run the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.support import options

Upstream = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="URL of the MCP server to put the gateway in front of.",
        show_default="the demo stock-data server",
    ),
]


def up(
    upstream: Upstream = None,
    data_dir: options.DataDir = None,
    host: options.Host = None,
    proxy_port: options.ProxyPort = None,
    admin_port: options.AdminPort = None,
    workers: options.Workers = None,
    config: options.ConfigFile = None,
) -> None:
    """Run everything in one command.

    Redis and ClickHouse are embedded unless their URLs are configured.
    The first start creates an admin and an API key, and prints them once.
    Ctrl-C stops everything; the data stays in the data folder.

    \b
    Examples:
      mcp-gateway up                                        # in front of the demo server
      mcp-gateway up --upstream http://127.0.0.1:9000/mcp   # in front of your own server
    """
    from gateway.settings import load_settings

    flags = {
        "upstream_url": upstream,
        "data_dir": data_dir,
        "host": host,
        "proxy_port": proxy_port,
        "admin_port": admin_port,
        "workers": workers,
    }
    settings = load_settings(config, flags, command="up")
    from gateway.runtime.up_command import run_up

    raise typer.Exit(run_up(settings))


def proxy(
    host: options.Host = None,
    proxy_port: options.ProxyPort = None,
    workers: options.Workers = None,
    config: options.ConfigFile = None,
) -> None:
    """Run only the proxy, for production.

    Needs GATEWAY_UPSTREAM_URL and GATEWAY_REDIS_URL.

    \b
    Example:
      GATEWAY_UPSTREAM_URL=http://10.0.0.5:9000/mcp GATEWAY_REDIS_URL=redis://10.0.0.6 mcp-gateway proxy
    """
    from gateway.settings import load_settings

    flags = {"host": host, "proxy_port": proxy_port, "workers": workers}
    settings = load_settings(config, flags, command="proxy")
    from gateway.runtime.proxy_command import run_proxy

    raise typer.Exit(run_proxy(settings))


def admin(
    host: options.Host = None,
    admin_port: options.AdminPort = None,
    config: options.ConfigFile = None,
) -> None:
    """Run only the admin process, for production.

    It serves the admin API and the dashboard, and writes usage into ClickHouse.
    Needs GATEWAY_REDIS_URL, GATEWAY_CLICKHOUSE_URL and GATEWAY_JWT_SECRET.

    \b
    Example:
      mcp-gateway admin --config /etc/mcp-gateway.toml
    """
    from gateway.settings import load_settings

    flags = {"host": host, "admin_port": admin_port}
    settings = load_settings(config, flags, command="admin")
    from gateway.runtime.admin_command import run_admin

    raise typer.Exit(run_admin(settings))
