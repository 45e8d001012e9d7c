"""The text that a start prints on standard output: addresses, and on the first start the generated credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import sys

import msgspec

from gateway.client_snippets import CLIENTS, Target
from gateway.settings import Settings


class FirstCredentials(msgspec.Struct, frozen=True):
    """The credentials that the first start created."""

    email: str
    password: str | None
    """None if `GATEWAY_ADMIN_PASSWORD` set it."""
    api_key: str | None


def proxy_url(settings: Settings) -> str:
    """Return the URL of the MCP endpoint for a client on this machine."""
    return f"{_local_url(settings.host, settings.proxy_port)}{settings.proxy_paths[-1]}"


def client_url(settings: Settings) -> str:
    """Return the URL of the MCP endpoint for clients anywhere."""
    return settings.public_url or proxy_url(settings)


def admin_url(settings: Settings) -> str:
    """Return the URL of the admin API and dashboard for a browser on this machine."""
    return _local_url(settings.host, settings.admin_port)


def print_up(settings: Settings, credentials: FirstCredentials | None, *, is_demo: bool) -> None:
    """Print the banner of `up`, ending with `ready`."""
    endpoint = proxy_url(settings)
    lines = ["", "MCP gateway", f"  MCP endpoint  {endpoint}", f"  dashboard     {admin_url(settings)}"]
    upstream = f"{settings.upstream_url} (the demo stock-data server)" if is_demo else str(settings.upstream_url)
    if settings.public_url is not None:
        lines.append(f"  for clients   {settings.public_url}")
    if settings.admin_public_url is not None:
        lines.append(f"  for browsers  {settings.admin_public_url}")
    lines += [f"  upstream      {upstream}", f"  data folder   {settings.data_dir}", ""]
    if credentials is not None:
        lines += _login_lines(credentials)
        if credentials.api_key is not None:
            lines += _api_key_lines(settings, credentials.api_key)
    else:
        lines += ["  Users and keys were kept. A new key: mcp-gateway key create --help", ""]
    _print(lines)
    print_ready()


def print_admin(settings: Settings, credentials: FirstCredentials | None) -> None:
    """Print the banner of `admin`, ending with `ready`."""
    _print(
        [
            "",
            "MCP gateway, admin",
            f"  dashboard     {settings.admin_public_url or admin_url(settings)}",
            "",
            *(_login_lines(credentials) if credentials else ()),
        ]
    )
    print_ready()


def print_credentials(credentials: FirstCredentials | None) -> None:
    """Print the login that a failed start created: the next start will not show it."""
    _print(_login_lines(credentials) if credentials else [])


def print_ready() -> None:
    """Print the line `ready`, which scripts wait for."""
    _print(["ready"])


def _login_lines(credentials: FirstCredentials) -> list[str]:
    password = credentials.password or "(the one in GATEWAY_ADMIN_PASSWORD)"
    return [
        "The first admin (shown this once):",
        f"  email     {credentials.email}",
        f"  password  {password}",
        "",
    ]


def _api_key_lines(settings: Settings, api_key: str) -> list[str]:
    config = CLIENTS["other"].build(Target(client_url(settings), api_key)).text
    verification = CLIENTS["curl"].build(Target(proxy_url(settings), api_key)).text
    return [
        "An API key, ready to use (shown this once):",
        f"  {api_key}",
        "",
        "For an MCP client (others: mcp-gateway client-config --list):",
        *_indented(config),
        "",
        "See that it works:",
        *_indented(verification),
        "",
    ]


def _indented(text: str) -> list[str]:
    return ["  " + line for line in text.splitlines()]


def _local_url(host: str, port: int) -> str:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _print(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
