"""Who may ask, by address and by name: `Host`, `Origin`, and the client's address behind trusted proxies.

The gateway rewrites `Host` and drops `Origin` on the way upstream, so it makes the checks against DNS rebinding itself
(MCP 2025-11-25, transports, security warning).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
LOOPBACK_ORIGINS = "loopback"
"""In the setting, stands for every origin of this machine."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origins:
    """The rules of one gateway, from its settings."""

    def __init__(
        self,
        *,
        bind_host: str,
        allowed_hosts: tuple[str, ...],
        allowed_origins: tuple[str, ...],
        trusted_proxies: tuple[str, ...],
    ) -> None:
        is_loopback = bind_host in ("localhost", "::1") or bind_host.startswith("127.")
        self._hosts = (
            frozenset(name.lower() for name in allowed_hosts) | _LOOPBACK_NAMES
            if allowed_hosts or is_loopback
            else None
        )
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._trusted: list[Network] = [ipaddress.ip_network(network, strict=False) for network in trusted_proxies]

    def is_host_allowed(self, host: str) -> bool:
        """Whether the gateway answers for this `Host`, whatever its port."""
        if self._hosts is None:
            return bool(host)
        lower = host.lower()
        return lower in self._hosts or _without_port(lower) in self._hosts

    def is_origin_allowed(self, origin: str) -> bool:
        """Whether a browser's page of this origin may use the gateway."""
        lower = origin.lower()
        if lower in self._origins or "*" in self._origins:
            return True
        if LOOPBACK_ORIGINS not in self._origins:
            return False
        try:
            parts = urlsplit(lower)
            name = _without_port(parts.netloc)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and name in _LOOPBACK_NAMES and not parts.path

    def client_address(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """The client's address: the peer's, or what trusted proxies say of it, read from the right."""
        if not self._trusted or not self._is_trusted(peer):
            return peer
        hops = fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        for hop in reversed([hop.strip() for hop in hops]):
            if not _is_address(hop):
                return peer
            if not self._is_trusted(hop):
                return hop
        return peer

    def client_scheme_and_host(self, peer: str, scheme: str, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
        """What the client used, as trusted proxies say it, else as it is seen here."""
        host = fields.get(b"host", b"").decode("latin-1")
        if self._trusted and self._is_trusted(peer):
            scheme = fields.get(b"x-forwarded-proto", scheme.encode()).decode("latin-1")
            host = fields.get(b"x-forwarded-host", host.encode("latin-1")).decode("latin-1")
        return scheme, host

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _without_port(netloc: str) -> str:
    if netloc.endswith("]"):
        return netloc
    name, colon, port = netloc.rpartition(":")
    return name if colon and port.isdigit() else netloc
