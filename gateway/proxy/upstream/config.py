"""Configuration of the upstream: its address and its time-outs."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit


class UpstreamTimeouts(NamedTuple):
    """Time-outs of the upstream in seconds, by phase; the defaults are in `gateway.settings.model`."""

    connect: float
    """To establish a connection, with TLS; enforced by `UpstreamPool`."""
    first_byte: float
    """From the request to the head of its response; set by `UpstreamConnection`, checked by `UpstreamPool`."""
    idle: float
    """Longest pause within a response; set and checked in the same way."""


class UpstreamAddress:
    """The parts of the upstream's URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_tls = parts.scheme == "https"
        self.hostname = parts.hostname or ""
        self.port = parts.port or (443 if self.is_tls else 80)
        self.host = parts.netloc.rpartition("@")[2].encode("ascii")
        """Value of the `Host` field."""
        self.path = (parts.path or "/").encode("ascii")
        self.query = parts.query.encode("ascii")

    def request_target(self, query: bytes = b"") -> bytes:
        """Return the target of a request: path and query, with a client's query appended."""
        joined = b"&".join(part for part in (self.query, query) if part)
        return self.path + b"?" + joined if joined else self.path
