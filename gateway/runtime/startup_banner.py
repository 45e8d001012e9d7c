"""The text that a start prints on standard output: addresses, and on the first start the generated credentials."""

from __future__ import annotations

import contextlib
import ipaddress
import sys

import msgspec

from gateway.client_snippets import CLIENTS, Target
from gateway.settings import Settings
from gateway.tls.inspection import inspect_files
from gateway.tls.pair import PairError, PairFiles


class FirstCredentials(msgspec.Struct, frozen=True):
    """The credentials that the first start created."""

    email: str
    password: str | None
    """None if `GATEWAY_ADMIN_PASSWORD` set it."""
    api_key: str | None


def proxy_url(settings: Settings) -> str:
    """Return the URL of the MCP endpoint for a client on this machine."""
    return f"{_local_url(settings, settings.proxy_port)}{settings.proxy_paths[-1]}"


def client_url(settings: Settings) -> str:
    """Return the URL of the MCP endpoint for clients anywhere."""
    return settings.public_url or proxy_url(settings)


def admin_url(settings: Settings) -> str:
    """Return the URL of the admin API and dashboard for a browser on this machine."""
    return _local_url(settings, settings.admin_port)


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
    ca_file = str(settings.tls_cert) if settings.tls_cert is not None else None
    target = Target(client_url(settings), api_key, has_own_certificate=ca_file is not None)
    snippet = CLIENTS["other"].snippet(target)
    verification = CLIENTS["curl"].build(Target(proxy_url(settings), api_key, ca_file=ca_file)).text
    return [
        "An API key, ready to use (shown this once):",
        f"  {api_key}",
        "",
        "For an MCP client (others: mcp-gateway client-config --list):",
        *_indented("\n\n".join((snippet.text, *snippet.notes))),
        "",
        "See that it works:",
        *_indented(verification),
        "",
    ]


def _indented(text: str) -> list[str]:
    return ["  " + line for line in text.splitlines()]


def _local_url(settings: Settings, port: int) -> str:
    host, is_loopback = settings.host, False
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
        is_loopback = address.is_unspecified or address.is_loopback
    if is_loopback and _needs_name(settings, host):
        host = "localhost"
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _needs_name(settings: Settings, address: str) -> bool:
    """Return True if the certificate covers `localhost`, but not the address."""
    if settings.tls_cert is None or settings.tls_key is None:
        return False
    try:
        certificate = inspect_files(PairFiles(settings.tls_cert, settings.tls_key))
    except PairError:
        return False
    return certificate.covers("localhost") and not certificate.covers(address)


def _print(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
