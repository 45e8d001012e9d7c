"""Whose request it is: the client's address, and whether the `Host` it used is one of ours.

- `X-Forwarded-For` counts only from a trusted peer, and is read from its end: the first hop that is not
  trusted is the client.
- On a loopback bind a foreign `Host` is refused, or a web page could reach the API through DNS rebinding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def client_address(peer: str, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """The client's address; `forwarded_for` are the values of that header in their order."""
    address = peer
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    while hops and _is_in(address, trusted):
        hop = hops.pop()
        try:
            ipaddress.ip_address(hop)
        except ValueError:
            break
        address = hop
    return address


def allowed_hosts(bind: str, configured: Iterable[str]) -> frozenset[str] | None:
    """The host names to answer to, in lower case; `None` for any."""
    names = frozenset(name.lower() for name in configured)
    if names or is_loopback(bind):
        return names | LOOPBACK_HOSTS | {bind.lower()}
    return None


def host_name(host: str | None) -> str | None:
    """The name in a `Host` header, in lower case, without port and brackets; `None` where it is none."""
    if not host or not host.isascii() or any(character in host for character in "@/\\?# "):
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname


def is_loopback(bind: str) -> bool:
    """Whether listening on this address reaches this machine alone."""
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return bind.lower() == "localhost"


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
