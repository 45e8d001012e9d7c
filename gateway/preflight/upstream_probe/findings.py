"""The state of the upstream, as a response to a handshake, or the failure of one, shows it.

Pure: does no I/O. A text from the upstream is shortened and printable; credentials are in no finding.
"""

from __future__ import annotations

import re
import ssl
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp

from gateway.preflight.upstream_probe.messages import printable, server_name
from gateway.proxy.upstream.response_check import REDIRECTS

_NO_ENDPOINT = frozenset({404, 405, 410})
_HOST_REFUSED = re.compile(
    rb"(?:invalid|disallowed|untrusted|unknown) (?:http_)?host|host (?:header )?(?:is )?not allowed", re.IGNORECASE
)


class Finding(NamedTuple):
    """The state of the upstream: `text` continues the sentence "the upstream at URL …"."""

    text: str
    fix: str = ""
    """Empty if all is well."""
    is_reachable: bool = True
    needs_credentials: bool = False
    """True if the upstream asks for credentials, and the probe had none."""

    @property
    def is_ok(self) -> bool:
        """True if nothing needs to be done."""
        return not self.fix


class Received(NamedTuple):
    """A response to a handshake, as far as it was read."""

    status: int
    location: str
    """The `Location` field; empty if there is none."""
    content_type: str
    message: dict[str, Any]
    """The JSON-RPC message, empty if there is none."""
    body: bytes

    @property
    def result(self) -> dict[str, Any] | None:
        """The result of the request; `None` if there is none."""
        result = self.message.get("result")
        return result if self.status < 400 and isinstance(result, dict) else None

    @property
    def error(self) -> str | None:
        """The message of a JSON-RPC error; `None` if the response is none."""
        error = self.message.get("error")
        return printable(error.get("message")) or "no reason given" if isinstance(error, dict) else None

    @property
    def has_no_endpoint(self) -> bool:
        """True if nothing takes requests at this path."""
        return self.status in _NO_ENDPOINT and self.error is None


def final_finding(received: Received, url: str, *, has_authorization: bool) -> Finding | None:
    """Return what the response means whatever the handshake; `None` if another handshake may tell more."""
    if received.status in REDIRECTS:
        return _redirect(received, url)
    if received.status == 421 or (received.status in (400, 403) and _HOST_REFUSED.search(received.body[:4096])):
        host = urlsplit(url).netloc.rpartition("@")[2]
        return Finding(
            f"refuses the Host {host} (status {received.status})",
            "allow this name in the settings of the server, or use a name in GATEWAY_UPSTREAM_URL that it allows",
        )
    if received.status in (401, 403, 407):
        return _authentication(received, has_authorization=has_authorization)
    if received.result is not None:
        version = printable(received.result.get("protocolVersion")) or "of an unknown revision"
        return Finding(f"answers: {server_name(received.result)}, MCP {version}")
    if received.status >= 500:
        return Finding(f"answers with status {received.status}", "check the log of the server")
    if received.status < 400 and received.error is None:
        return _no_json_rpc(received)
    return None


def last_finding(received: Received, url: str) -> Finding:
    """Return what a response means to which no other handshake has told more."""
    if received.has_no_endpoint:
        path = urlsplit(url).path or "/"
        return Finding(
            f"has no MCP endpoint at {path} (status {received.status})",
            "check the path in GATEWAY_UPSTREAM_URL; many servers use /mcp",
        )
    reason = received.error or f"status {received.status}"
    return Finding(f"does not accept the handshake ({reason})", "check that GATEWAY_UPSTREAM_URL is an MCP endpoint")


def failure_finding(error: Exception, url: str) -> Finding:
    """Return what a failed request means."""
    is_tls = urlsplit(url).scheme == "https"
    if isinstance(error, aiohttp.ClientConnectorDNSError | UnicodeError):
        name = urlsplit(url).hostname
        return Finding(f"cannot be reached: the name {name} does not resolve", _CHECK_ADDRESS, is_reachable=False)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return _tls(error)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        fix = f"{_START_IT}; if it has no TLS, write http://" if is_tls else _START_IT
        return Finding("cannot be reached (timed out)", fix, is_reachable=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or str(error.os_error)
        return Finding(f"cannot be reached ({reason})", _START_IT, is_reachable=False)
    if isinstance(error, TimeoutError):
        return Finding("accepts connections but does not answer in time", "check the log of the server")
    scheme = "check that the server expects TLS" if is_tls else "if the server expects TLS, write https://"
    return Finding("does not answer with HTTP", f"{scheme}; check the port in GATEWAY_UPSTREAM_URL")


_START_IT = "start it, or see GATEWAY_UPSTREAM_URL"
_CHECK_ADDRESS = "check the host in GATEWAY_UPSTREAM_URL, and the name servers of this machine"


def _redirect(received: Received, url: str) -> Finding:
    target = printable(urljoin(url, received.location)) if received.location else "nowhere"
    return Finding(f"redirects to {target} (status {received.status})", f"set GATEWAY_UPSTREAM_URL to {target}")


def _authentication(received: Received, *, has_authorization: bool) -> Finding:
    if has_authorization:
        fix = "check the value, it is the whole header, such as `Bearer …`"
        return Finding(f"refuses the credentials in GATEWAY_UPSTREAM_AUTHORIZATION (status {received.status})", fix)
    fix = "set GATEWAY_UPSTREAM_AUTHORIZATION to what it expects, such as `Bearer …`"
    return Finding(f"asks for credentials of its own (status {received.status})", fix, needs_credentials=True)


def _no_json_rpc(received: Received) -> Finding:
    is_html = "html" in received.content_type or received.body[:512].lstrip().startswith(b"<")
    kind = "HTML, a web page," if is_html else printable(received.content_type) or "an empty body"
    return Finding(f"answers with {kind} instead of JSON-RPC", "check that GATEWAY_UPSTREAM_URL is an MCP endpoint")


def _tls(error: Exception) -> Finding:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        fix = "install its CA on this machine (SSL_CERT_FILE), or use the name in the certificate"
        return Finding(f"has a certificate that is not trusted ({printable(reason)})", fix)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = getattr(cause, "reason", None) or str(cause)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return Finding("answers without TLS", "write http:// in GATEWAY_UPSTREAM_URL, or check the port")
    return Finding(f"fails in the TLS handshake ({printable(reason)})", "check its certificate and TLS versions")
