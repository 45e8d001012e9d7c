"""The headers of both directions, rebuilt from rules and never copied and patched.

Upstream goes what the client sent, except: hop-by-hop fields and those that `Connection` names (RFC 9110, section
7.6.1), lengths, `Host`, credentials and cookies, encodings, identity fields under any spelling, and forwarding fields,
which are set anew. To the client goes what the upstream sent, except hop-by-hop fields and lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

RawHeaders = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_NEVER_UPSTREAM = _HOP_BY_HOP | {
    *(b"host", b"content-length", b"accept-encoding", b"expect", b"origin"),
    *(b"authorization", b"proxy-authorization", b"cookie"),
    *(b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip"),
}
_IDENTITY = frozenset({b"x-mcp-key-id", b"x-mcp-owner"})
_NEVER_TO_CLIENT = _HOP_BY_HOP | {b"content-length", b"proxy-authenticate"}
_SINGLE = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"origin"),
        *(b"authorization", b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name"),
    }
)
_UNDERSCORE_TO_HYPHEN = bytes.maketrans(b"_.", b"--")


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
    """Lower-case names to values, for look-ups.

    Raises `HeaderFault` where a field that decides something stands twice.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in fields and lower in _SINGLE:
            raise HeaderFault(f"The header {lower.decode('latin-1')} stands twice")
        fields[lower] = value
    if b"transfer-encoding" in fields:
        if b"content-length" in fields:
            raise HeaderFault("Content-Length beside Transfer-Encoding")
        if fields[b"transfer-encoding"].strip().lower() != b"chunked":
            raise HeaderFault("Transfer-Encoding other than chunked")
    return fields


def upstream_headers(headers: RawHeaders, upstream: UpstreamIdentity, client: Client) -> list[tuple[bytes, bytes]]:
    """The fields of the request that goes upstream, but for its length."""
    dropped = _named_in_connection(headers)
    fields = [(b"Host", upstream.host)]
    accepts = False
    for name, value in headers:
        lower = name.lower()
        if lower in _NEVER_UPSTREAM or lower in dropped or lower.translate(_UNDERSCORE_TO_HYPHEN) in _IDENTITY:
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


def client_headers(headers: RawHeaders) -> list[tuple[str, str]]:
    """The fields of the answer that goes to the client, but for its length."""
    dropped = _named_in_connection(headers)
    return [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in headers
        if (lower := name.lower()) not in _NEVER_TO_CLIENT and lower not in dropped
    ]


def _named_in_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    if not any(len(name) == 10 and name.lower() == b"connection" for name, _ in headers):
        return frozenset()
    named = [
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    ]
    # What the protocol itself needs cannot be switched off by naming it.
    return frozenset(named) - {b"mcp-session-id", b"mcp-protocol-version", b"content-type", b"accept"}


def _completed_accept(value: bytes) -> bytes:
    """What `curl` sends by itself, `*/*`, is not enough for the SDKs' servers, which look for both types by name."""
    if value.strip() == b"*/*":
        return b"application/json, text/event-stream"
    return value
