"""The TLS context of commands that connect to the gateway on their own machine, by its address."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal

from gateway.tls.pair import certificates

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL. Commands work also when the certificate has expired; `doctor` reports that."""


def local_verification(certificate: str | Path | None) -> ssl.SSLContext | Literal[True]:
    """Return how commands verify TLS: by the certificate of the gateway, or as this machine does without one."""
    return True if certificate is None else local_client(Path(certificate))


def local_client(certificate: Path) -> ssl.SSLContext:
    """Return a context that trusts the first certificate in a file and no other, under any name.

    Without a readable certificate it trusts none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        own = certificates(certificate.read_bytes())[:1]
    except OSError:
        own = []
    if own:
        context.load_verify_locations(cadata=own[0])
    return context
