"""Who may ask, by address and by name: `Host`, `Origin`, and the client's address behind trusted proxies.

The gateway rewrites `Host` and drops `Origin` on the way upstream, so it makes the checks against DNS rebinding itself
(MCP 2025-11-25, transports, security warning).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
LOOPBACK_ORIGINS = "loopback"
"""In the setting, stands for every origin of this machine."""

_LOOPBACK_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
"""As browsers write an origin: no path, no user, no query."""
_HOST = re.compile(r"((?:[a-z0-9._-]|%[0-9a-f]{2})+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

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
        lower = host.lower()
        parts = _HOST.fullmatch(lower)
        if parts is None:
            return False
        return self._hosts is None or lower in self._hosts or parts[1] in self._hosts

    def is_origin_allowed(self, origin: str) -> bool:
        """Whether a browser's page of this origin may use the gateway."""
        lower = origin.lower()
        if lower in self._origins or "*" in self._origins:
            return True
        return LOOPBACK_ORIGINS in self._origins and _LOOPBACK_ORIGIN.fullmatch(lower) is not None

    def client_address(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """The client's address: the peer's, or what trusted proxies say of it, read from the right.

        What stands left of an untrusted address was written by the client. Where trusted proxies name no other address
        than theirs, or one that is none, the last that is known counts.
        """
        known = peer
        hops = fields.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        while hops and self._is_trusted(known):
            hop = plain_address(hops.pop().strip(" \t"))
            if not hop:
                break
            known = hop
        return known

    def client_scheme_and_host(self, peer: str, scheme: str, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
        """What the client used, as trusted proxies say it, else as it is seen here."""
        host = fields.get(b"host", b"").decode("latin-1")
        if self._is_trusted(peer):
            said = _last(fields, b"x-forwarded-proto").lower()
            scheme = said if said in ("http", "https") else scheme
            said = _last(fields, b"x-forwarded-host")
            host = said if _HOST.fullmatch(said.lower()) else host
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
    """An address in its one spelling, an IPv4 one as such also where IPv6 carries it; empty where it is none."""
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
