"""Allowed hosts and origins, and the client's address behind trusted proxies.

The gateway rewrites `Host` and drops `Origin` before it forwards a request, so it protects the upstream from DNS
rebinding (MCP 2025-11-25, transports, security warning).

Pure: does no I/O.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
LOOPBACK_ORIGINS = "loopback"
"""Value in `GATEWAY_ALLOWED_ORIGINS` that allows every origin of this machine."""

_LOOPBACK_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
"""An origin as browsers send it: without path, user and query."""
_HOST = re.compile(r"((?:[a-z0-9._-]|%[0-9a-f]{2})+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origins:
    """The allowed hosts, allowed origins and trusted proxies of one gateway."""

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
        """Return True if the gateway serves this `Host`, with any port."""
        lower = host.lower()
        parts = _HOST.fullmatch(lower)
        if parts is None:
            return False
        return self._hosts is None or lower in self._hosts or parts[1] in self._hosts

    def is_origin_allowed(self, origin: str) -> bool:
        """Return True if a web page of this origin may use the gateway."""
        lower = origin.lower()
        if lower in self._origins or "*" in self._origins:
            return True
        return LOOPBACK_ORIGINS in self._origins and _LOOPBACK_ORIGIN.fullmatch(lower) is not None

    def client_address(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """Return the client's address: the peer's or, behind trusted proxies, the one in `X-Forwarded-For`.

        The field is read from the right, since the client may have written what stands left of an untrusted address. It
        is read up to the first untrusted or invalid address; the last valid one counts.
        """
        address = peer
        hops = fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        while hops and self._is_trusted(address):
            hop = plain_address(hops.pop().strip(" \t"))
            if not hop:
                break
            address = hop
        return address

    def client_scheme_and_host(self, peer: str, scheme: str, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
        """Return the scheme and host that the client used, according to a trusted proxy, or as seen here."""
        host = fields.get(b"host", b"").decode("latin-1")
        if self._is_trusted(peer):
            forwarded = _last(fields, b"x-forwarded-proto").lower()
            scheme = forwarded if forwarded in ("http", "https") else scheme
            forwarded = _last(fields, b"x-forwarded-host")
            host = forwarded if _HOST.fullmatch(forwarded.lower()) else host
        return scheme, host

    def _is_trusted(self, address: str) -> bool:
        if not self._trusted:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def plain_address(text: str) -> str:
    """Return an address in canonical form, an IPv4-mapped IPv6 address as IPv4; empty if it is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return ""
        return str(address.ipv4_mapped or address)
    return str(address)


def _last(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("latin-1").rpartition(",")[2].strip(" \t")
