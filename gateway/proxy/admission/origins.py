"""Allowed hosts and origins, and the client's address behind trusted proxies.

The gateway rewrites `Host` and drops `Origin` before it forwards a request, so it protects the upstream from DNS
rebinding (MCP 2025-11-25, transports, security warning).

Pure: does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.protocol.forwarded import Network, client_address, is_trusted, last_forwarded, parse_network

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
LOOPBACK_ORIGINS = "loopback"
"""Value in `GATEWAY_ALLOWED_ORIGINS` that allows every origin of this machine."""

_LOOPBACK_ORIGIN = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
"""An origin as browsers send it: without path, user and query."""
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+")
_HOST = re.compile(r"((?:[a-z0-9._-]|%[0-9a-f]{2})+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class Origins:
    """The allowed hosts, allowed origins and trusted proxies of one gateway."""

    def __init__(
        self,
        *,
        bind_host: str,
        allowed_hosts: tuple[str, ...],
        allowed_origins: tuple[str, ...],
        trusted_proxies: tuple[str, ...],
        public_url: str | None = None,
        is_tls: bool = False,
    ) -> None:
        """The host of `public_url` is allowed like `allowed_hosts`."""
        self._scheme = "https" if is_tls else "http"
        is_loopback = bind_host in ("localhost", "::1") or bind_host.startswith("127.")
        public_host = _HOST.fullmatch(urlsplit(public_url or "").netloc.lower())
        names = {*map(str.lower, allowed_hosts), *_LOOPBACK_NAMES, *([public_host[1]] if public_host else [])}
        self._hosts = frozenset(names) if allowed_hosts or is_loopback else None
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._trusted: list[Network] = [parse_network(network) for network in trusted_proxies]

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
        """Return the client's address: the peer's or, behind trusted proxies, the one that they name."""
        forwarded_for, forwarded = _text(fields, b"x-forwarded-for"), _text(fields, b"forwarded")
        return client_address(peer, forwarded_for, forwarded, self._trusted)

    def client_scheme_and_host(self, peer: str, fields: Mapping[bytes, bytes]) -> tuple[str, str]:
        """Return the scheme and host that the client used, according to a trusted proxy, or as seen here."""
        host = _text(fields, b"host")
        if not is_trusted(peer, self._trusted):
            return self._scheme, host
        is_standard = not _text(fields, b"x-forwarded-for")
        element = last_forwarded(_text(fields, b"forwarded")) if is_standard else {}
        forwarded = (_last(fields, b"x-forwarded-proto") or element.get("proto", "")).lower()
        scheme = forwarded if forwarded in ("http", "https") else self._scheme
        forwarded = _last(fields, b"x-forwarded-host") or element.get("host", "")
        return scheme, forwarded if _HOST.fullmatch(forwarded.lower()) else host

    def client_prefix(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        """Return the prefix that a trusted proxy has removed from the path; empty if there is none."""
        prefix = _last(fields, b"x-forwarded-prefix").rstrip("/")
        if not is_trusted(peer, self._trusted) or not _PREFIX.fullmatch(prefix):
            return ""
        return "" if {".", ".."} & set(prefix.split("/")) else prefix


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("latin-1")


def _last(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return _text(fields, name).rpartition(",")[2].strip(" \t")
