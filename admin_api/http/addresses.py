"""Client addresses behind proxies, and the host names that the admin API accepts.

- `X-Forwarded-For` is used only if the peer is trusted, and read from its end: the first untrusted hop is the client.
- On a loopback bind foreign `Host` names are rejected; otherwise a web page could reach the API by DNS rebinding.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def client_address(peer: str, forwarded_for: Iterable[str], trusted: Sequence[Network]) -> str:
    """Return the address of the client; `forwarded_for` holds the values of that header in order."""
    address = peer
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    while hops and _is_trusted(address, trusted):
        hop = hops.pop()
        try:
            ipaddress.ip_address(hop)
        except ValueError:
            break
        address = hop
    return address


def allowed_hosts(bind: str, configured: Iterable[str]) -> frozenset[str] | None:
    """Return the accepted host names in lower case, or `None` to accept any."""
    names = frozenset(name.lower() for name in configured)
    if names or is_loopback(bind):
        return names | LOOPBACK_HOSTS | {bind.lower()}
    return None


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


def _is_trusted(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
