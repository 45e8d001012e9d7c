"""What a start prints for the person who started it: once the secrets, and always where to go."""

from __future__ import annotations

import json
import sys

import msgspec

from gateway.settings import Settings


class First(msgspec.Struct, frozen=True):
    """What the first start made."""

    email: str
    password: str | None
    """`None` where the operator chose it."""
    key: str | None


def proxy_url(settings: Settings) -> str:
    """The MCP endpoint, as a client on this machine writes it."""
    return f"{_base(settings.host, settings.proxy_port)}{settings.proxy_paths[-1]}"


def admin_url(settings: Settings) -> str:
    """The admin API and dashboard, as a browser on this machine writes it."""
    return _base(settings.host, settings.admin_port)


def show(settings: Settings, first: First | None, *, is_demo: bool) -> None:
    """Print the welcome of `up`, and that both ports answer."""
    endpoint = proxy_url(settings)
    lines = ["", "MCP gateway", f"  MCP endpoint  {endpoint}", f"  dashboard     {admin_url(settings)}"]
    upstream = f"{settings.upstream_url} (the demo stock-data server)" if is_demo else str(settings.upstream_url)
    lines += [f"  upstream      {upstream}", f"  data folder   {settings.data_dir}", ""]
    if first is not None:
        lines += _login(first)
        if first.key is not None:
            lines += _first_key(endpoint, first.key)
    else:
        lines += ["  Users and keys were kept. A new key: mcp-gateway key create --help", ""]
    _print(lines)
    ready()


def show_admin(settings: Settings, first: First | None) -> None:
    """Print the welcome of `admin`, and that it answers."""
    _print(
        [
            "",
            "MCP gateway, admin",
            f"  dashboard     {admin_url(settings)}",
            "",
            *(_login(first) if first else ()),
        ]
    )
    ready()


def ready() -> None:
    """Print that everything answers."""
    _print(["ready"])


def _login(first: First) -> list[str]:
    password = first.password or "(the one in GATEWAY_ADMIN_PASSWORD)"
    return [
        "The first admin (shown this once):",
        f"  email     {first.email}",
        f"  password  {password}",
        "",
    ]


def _first_key(endpoint: str, key: str) -> list[str]:
    config = {
        "mcpServers": {"gateway": {"type": "http", "url": endpoint, "headers": {"Authorization": f"Bearer {key}"}}}
    }
    indented = ["  " + line for line in json.dumps(config, indent=2).splitlines()]
    return [
        "An API key, ready to use (shown this once):",
        f"  {key}",
        "",
        "For an MCP client (others: mcp-gateway client-config --list):",
        *indented,
        "",
        "See that it works:",
        f"  curl -s {endpoint} -H 'Content-Type: application/json' -H 'Authorization: Bearer {key}' \\",
        """    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'""",
        "",
    ]


def _base(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{reachable}:{port}"


def _print(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
