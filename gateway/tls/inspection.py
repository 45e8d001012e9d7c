"""Names and expiry of a certificate."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.tls.local_client import local_client
from gateway.tls.pair import PairError, PairFiles, load_context

EXPIRY_WARNING_DAYS = 14
_DAY = 86400


_KINDS = frozenset({"DNS", "IP Address"})
_MAX_NAMES = 5


class Problem(NamedTuple):
    """A reason why clients do not accept a certificate, or soon will not; and the fix."""

    finding: str
    fix: str
    is_expired: bool = False


class Certificate(NamedTuple):
    """The names that a certificate is valid for, and the Unix time of its expiry."""

    names: tuple[str, ...]
    expires: float

    def covers(self, host: str) -> bool:
        """Return True if clients accept the certificate for a host name or an address."""
        return any(_matches(name, host.lower()) for name in self.names)

    def problems(self, host: str, now: float) -> Iterator[Problem]:
        """Find the problems of a client that connects to a host; `now` is the Unix time."""
        left = self.expires - now
        if left < EXPIRY_WARNING_DAYS * _DAY:
            is_expired = left <= 0
            verb = "has expired" if is_expired else "expires"
            finding = f"{verb} on {datetime.fromtimestamp(self.expires, UTC):%Y-%m-%d %H:%M} UTC"
            yield Problem(finding, "renew it; the gateway reads the files again when they change", is_expired)
        if not self.covers(host):
            names = ", ".join(self.names[:_MAX_NAMES]) or "no name"
            yield Problem(
                f"is valid for {names}, and not for {host}",
                "set GATEWAY_PUBLIC_URL to the URL that clients use, or issue a certificate with that name",
            )


def inspect_files(files: PairFiles) -> Certificate:
    """Return what the certificate of a pair says. Raises `PairError`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = load_context(files).wrap_bio(to_server, to_client, server_side=True)
    client = local_client(files.certificate).wrap_bio(to_client, to_server)
    # The ssl module shows a certificate only to a client that has verified it.
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            problem = f"names a certificate that no client accepts ({error.verify_message}): issue one for a server"
            raise PairError("tls_cert", problem) from None
    return describe(client.getpeercert())


def describe(peer_certificate: Mapping[str, Any] | None) -> Certificate:
    """Return what a certificate says, as `getpeercert` returns it."""
    values = peer_certificate or {}
    names = tuple(str(value).lower() for kind, value in values.get("subjectAltName", ()) if kind in _KINDS)
    return Certificate(names, ssl.cert_time_to_seconds(values["notAfter"]) if "notAfter" in values else 0.0)


def _matches(name: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    except ValueError:
        return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
