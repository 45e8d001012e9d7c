"""The host names that the admin API accepts.

On a loopback bind, foreign `Host` names are rejected; otherwise a web page could reach the API by DNS rebinding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def allowed_hosts(bind: str, configured: Iterable[str], public_url: str | None = None) -> frozenset[str] | None:
    """Return the accepted host names in lower case, or `None` to accept any."""
    names = frozenset(name.lower() for name in configured)
    if not names and not is_loopback(bind):
        return None
    public = urlsplit(public_url or "").hostname
    return names | LOOPBACK_HOSTS | {bind.lower()} | ({public} if public else set())


def host_name(host: str | None) -> str | None:
    """Return the name in a `Host` header, in lower case, without port and brackets; `None` if it is invalid."""
    if not host or not host.isascii() or any(character in host for character in "@/\\?# "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname


def is_loopback(bind: str) -> bool:
    """Return True if a socket bound to this address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind.lower() == "localhost"
