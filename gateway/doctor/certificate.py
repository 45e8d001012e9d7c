"""The check of the TLS certificate: is the one in the files served, is it valid, and for which names."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from gateway.doctor.deployment import Check, Deployment
from gateway.tls.inspection import Certificate, describe, inspect_files
from gateway.tls.local_client import local_client
from gateway.tls.pair import PairError, PairFiles

_NAME = "TLS certificate"
_TIMEOUT = 5.0
"""Seconds for one connection."""


async def check_certificate(deployment: Deployment) -> list[Check]:
    """Check the certificate that the proxy serves or, if it does not run here, the one in the files."""
    settings = deployment.settings
    if settings.tls_cert is None or settings.tls_key is None:
        return []
    if not _is_readable(settings.tls_cert):
        return [Check(_NAME, "skipped", "this user cannot read the file that GATEWAY_TLS_CERT names")]
    host = urlsplit(deployment.admin_url).hostname or ""
    try:
        certificate = await _served(host, settings.proxy_port, settings.tls_cert)
        if certificate is None:
            certificate = inspect_files(PairFiles(settings.tls_cert, settings.tls_key))
    except ssl.SSLCertVerificationError:
        fix = "see the log of the gateway: a pair that cannot be used leaves the previous one in use"
        return [Check(_NAME, "failed", "the proxy serves another certificate than GATEWAY_TLS_CERT names", fix)]
    except PairError as error:
        return [Check(_NAME, "failed", *str(error).split(": ", 1))]
    client_host = urlsplit(settings.public_url or deployment.proxy_url or deployment.admin_url).hostname or ""
    problems = [
        Check(_NAME, "failed" if problem.is_expired else "warning", problem.finding, problem.fix)
        for problem in certificate.problems(client_host, time.time())
    ]
    return problems or [Check(_NAME, "ok", f"is valid for {client_host}, until {_date(certificate)}")]


async def _served(host: str, port: int, certificate: Path) -> Certificate | None:
    """Return the certificate that is served if it is the one in the file; None if there is no TLS on the port.

    Raises `ssl.SSLCertVerificationError` if it is another one.
    """
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=local_client(certificate))
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, TimeoutError):
        return None
    try:
        return describe(writer.get_extra_info("peercert"))
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


def _is_readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return False
    except OSError:
        # Reported with its reason.
        return True
    return True


def _date(certificate: Certificate) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(certificate.expires))
