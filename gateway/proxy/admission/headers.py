"""The headers of both directions, rebuilt from rules and never copied and patched.

Upstream goes what the client sent, except: hop-by-hop fields and those that `Connection` names (RFC 9110, section
7.6.1), lengths, `Host`, credentials and cookies, encodings, fields that say who the client is, and forwarding fields,
which are set anew. A field that is never sent upstream is not sent under another spelling either (servers read `_`,
some also `.`, as `-`), and no field is sent that holds the client's key. To the client goes what the upstream sent,
except hop-by-hop fields and lengths.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

import msgspec

RawHeaders = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        b"http2-settings",
    }
)
_IDENTITY = frozenset(
    b"x-mcp-" + name
    for name in (
        *(b"key-id", b"key-name", b"owner", b"user", b"user-id", b"user-name", b"username", b"user-email", b"email"),
        *(b"identity", b"principal", b"subject", b"tenant", b"tenant-id", b"role", b"roles", b"group", b"groups"),
        *(b"scope", b"scopes", b"client-ip"),
    )
)
"""By name, not by prefix: servers take settings under `X-MCP-*` too (`X-MCP-Readonly`, `X-MCP-Toolsets`)."""
_NEVER_UPSTREAM = (
    _HOP_BY_HOP
    | _IDENTITY
    | {
        *(b"host", b"content-length", b"accept-encoding", b"expect", b"origin"),
        *(b"authorization", b"proxy-authorization", b"cookie"),
        *(b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip"),
    }
)
_NEVER_UPSTREAM_BY_PREFIX = (
    b"x-forwarded-",
    *(b"remote-", b"x-remote-", b"x-auth-request-", b"x-authenticated-", b"x-webauth-", b"x-authentik-"),
    *(b"x-pomerium-", b"x-vouch-", b"x-consumer-", b"x-goog-authenticated-user-", b"x-goog-iap-", b"x-amzn-oidc-"),
    *(b"x-ms-client-principal", b"x-ms-token-", b"cf-access-", b"tailscale-user-"),
    *(b"ssl-client-", b"x-ssl-client-", b"x-client-cert", b"x-client-dn"),
)
"""With these, proxies that check logins and certificates tell servers who the client is; here that is the gateway."""
_NEVER_TO_CLIENT = (_HOP_BY_HOP - {b"trailer"}) | {b"content-length", b"proxy-authenticate"}
_SINGLE = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"origin"),
        *(b"authorization", b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name"),
        *(b"last-event-id", b"expect"),
    }
)
"""Fields that decide something: each may stand once, under its own spelling."""
_ASCII = _SINGLE - {b"mcp-method", b"mcp-name", b"last-event-id"}
"""Fields of which a reader might strip what is no ASCII, as white space."""
_NEEDED = (_SINGLE | {b"accept"}) - {b"host", b"content-length", b"transfer-encoding", b"authorization", b"expect"}
"""Fields of the protocol, which cannot be switched off by naming them in `Connection`."""
_AS_HYPHEN = bytes.maketrans(b"_.", b"--")
_SESSION_ID = re.compile(rb"[!-~]+")
_MAX_CACHED = 64
"""Bytes of a name that is remembered."""
_MIN_SECRET = 16
"""Bytes from which on a credential is looked for in other fields."""


class UpstreamIdentity(msgspec.Struct, frozen=True):
    """What is put in place of the fields that were dropped."""

    host: bytes
    """The upstream's own `host:port`."""
    authorization: bytes | None
    """The upstream's credential (`GATEWAY_UPSTREAM_AUTHORIZATION`)."""


class Client(msgspec.Struct, frozen=True):
    """Who asks, as the upstream is told."""

    address: str
    scheme: str
    host: str
    key_id: str | None = None
    """Set where identity is forwarded."""
    owner: str | None = None


class HeaderFault(ValueError):
    """A request's header fields are such that two readers could disagree; the message says which."""


def check_request_headers(headers: RawHeaders) -> dict[bytes, bytes]:
    """Lower-case names to values, for look-ups; values of a field that may stand several times are joined with commas.

    Raises `HeaderFault` where a field that decides something stands twice, or is such that it could be read as another.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _SINGLE:
            if lower in fields:
                raise HeaderFault(f"The header {lower.decode('latin-1')} stands twice")
            if lower in _ASCII and not (value.isascii() and b"\t" not in value):
                raise HeaderFault(f"The header {lower.decode('latin-1')} is not plain ASCII")
        elif lower in fields:
            value = fields[lower] + b", " + value
        elif (b"_" in lower or b"." in lower) and lower.translate(_AS_HYPHEN) in _SINGLE:
            raise HeaderFault(f"A header that could be read as {lower.translate(_AS_HYPHEN).decode('latin-1')}")
        fields[lower] = value
    _check_framing(fields)
    session_id = fields.get(b"mcp-session-id")
    if session_id is not None and not _SESSION_ID.fullmatch(session_id):
        raise HeaderFault("Mcp-Session-Id is not visible ASCII")
    return fields


def _check_framing(fields: dict[bytes, bytes]) -> None:
    if b"transfer-encoding" in fields:
        if b"content-length" in fields:
            raise HeaderFault("Content-Length beside Transfer-Encoding")
        if fields[b"transfer-encoding"].strip(b" ").lower() != b"chunked":
            raise HeaderFault("Transfer-Encoding other than chunked")


def upstream_headers(headers: RawHeaders, upstream: UpstreamIdentity, client: Client) -> list[tuple[bytes, bytes]]:
    """The fields of the request that goes upstream, but for its length."""
    dropped = _named_in_connection(headers)
    secret = _secret(headers)
    fields = [(b"Host", upstream.host)]
    accepts = False
    for name, value in headers:
        lower = _lower_if_passed(name) if len(name) <= _MAX_CACHED else _lower_if_passed.__wrapped__(name)
        if not lower or lower in dropped or (secret and secret in value):
            continue
        if lower == b"accept":
            accepts = True
            value = _completed_accept(value)
        fields.append((name, value))
    if not accepts:
        fields.append((b"Accept", b"application/json, text/event-stream"))
    fields.append((b"Accept-Encoding", b"identity"))
    if upstream.authorization is not None:
        fields.append((b"Authorization", upstream.authorization))
    fields.append((b"X-Forwarded-For", client.address.encode("latin-1", "replace")))
    fields.append((b"X-Forwarded-Proto", client.scheme.encode()))
    fields.append((b"X-Forwarded-Host", client.host.encode("latin-1", "replace")))
    if client.key_id is not None:
        fields.append((b"X-MCP-Key-Id", client.key_id.encode()))
    if client.owner is not None:
        fields.append((b"X-MCP-Owner", client.owner.encode()))
    return fields


@functools.lru_cache(maxsize=1024)
def _lower_if_passed(name: bytes) -> bytes:
    """The name in lower case, empty where a field of that name does not go upstream."""
    lower = name.lower()
    spelled = lower.translate(_AS_HYPHEN)
    return b"" if spelled in _NEVER_UPSTREAM or spelled.startswith(_NEVER_UPSTREAM_BY_PREFIX) else lower


def client_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The fields of the answer that goes to the client, but for its length."""
    dropped = _named_in_connection(headers)
    return [
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in _NEVER_TO_CLIENT and lower not in dropped
    ]


def _named_in_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    if not any(len(name) == 10 and name.lower() == b"connection" for name, _ in headers):
        return frozenset()
    named = [
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    ]
    return frozenset(named) - _NEEDED


def _secret(headers: RawHeaders) -> bytes:
    """The client's credential without its scheme, empty where there is none worth to be looked for."""
    for name, value in headers:
        if len(name) == 13 and name.lower() == b"authorization":
            secret = value.rpartition(b" ")[2]
            return secret if len(secret) >= _MIN_SECRET else b""
    return b""


def _completed_accept(value: bytes) -> bytes:
    """What `curl` sends by itself, `*/*`, is not enough for the SDKs' servers, which look for both types by name."""
    if value.strip() == b"*/*":
        return b"application/json, text/event-stream"
    return value
