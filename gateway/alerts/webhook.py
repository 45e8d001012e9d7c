"""The webhook: one HTTP request for each attempt, with bounds.

- A request succeeds with any status from 200 to 299. Redirects are not followed, and no body of a response is read.
- The URL may contain a token: errors, logs and `repr` have its host at most.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import aiohttp

import gateway
from gateway.alerts.alert import Alert
from gateway.alerts.signature import SIGNATURE_HEADER, signature

TIMEOUT_SECONDS = 6.0
"""Time for one attempt. With the first pause, the second attempt begins within 10 s after the first one."""
CONNECT_SECONDS = 4.0
_CONNECTIONS = 8

_HINTS = {
    401: "check the credentials in GATEWAY_WEBHOOK_URL, and GATEWAY_WEBHOOK_SECRET",
    403: "check the credentials in GATEWAY_WEBHOOK_URL, and GATEWAY_WEBHOOK_SECRET",
    404: "check the path in GATEWAY_WEBHOOK_URL",
    405: "check the path in GATEWAY_WEBHOOK_URL",
    410: "the receiver has removed this webhook: set GATEWAY_WEBHOOK_URL to a new one",
}


class _Secret(Protocol):
    def get_secret_value(self) -> str: ...


class WebhookAddress(NamedTuple):
    """The receiver of alerts, and the secret that signs them, if any."""

    url: str
    secret: str | None

    @classmethod
    def of(cls, url: _Secret | None, secret: _Secret | None) -> Self | None:
        """Return the receiver that the settings name; `None` without a URL."""
        if url is None:
            return None
        return cls(url.get_secret_value(), None if secret is None else secret.get_secret_value())

    @property
    def host(self) -> str:
        """The host, with the port if the URL has one: the only part of the URL that may be shown."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def __repr__(self) -> str:
        return f"WebhookAddress(host={self.host!r})"


class Webhook:
    """The client of a receiver. Make it with `connect`."""

    def __init__(self, address: WebhookAddress, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, address: WebhookAddress) -> AsyncIterator[Self]:
        """Provide a client for the duration of the context."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield cls(address, session)

    async def send(self, alert: Alert, now_ms: int) -> str | None:
        """Make one attempt. Return `None` if the receiver has accepted the alert, or else the reason and the fix."""
        body = alert.body()
        headers = {"Content-Type": "application/json", "User-Agent": f"mcp-gateway/{gateway.__version__}"}
        if self.address.secret is not None:
            headers[SIGNATURE_HEADER] = signature(self.address.secret, body, now_ms // 1000)
        try:
            async with self._session.post(
                self.address.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return _refusal(response.status)
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError, ValueError) as error:
            return _failure(error)


def _refusal(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"the receiver redirects (status {status}): set GATEWAY_WEBHOOK_URL to the address it names"
    return f"the receiver answered with status {status}: {_HINTS.get(status, 'check its log')}"


def _failure(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "not valid"
        return f"its certificate is not trusted ({reason.rstrip('.')}): set SSL_CERT_FILE to the PEM file of its issuer"
    if isinstance(error, aiohttp.ClientSSLError):
        return "the receiver does not speak TLS: write http:// in GATEWAY_WEBHOOK_URL"
    if isinstance(error, aiohttp.ClientConnectorDNSError | UnicodeError):
        return "the host of GATEWAY_WEBHOOK_URL does not resolve: check it"
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return "the receiver cannot be reached: start it, or check GATEWAY_WEBHOOK_URL"
    if isinstance(error, TimeoutError):
        return f"the receiver gave no response within {TIMEOUT_SECONDS:g} s: check its log"
    return "the receiver does not answer with HTTP: check GATEWAY_WEBHOOK_URL"
