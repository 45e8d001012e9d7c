"""The head of a request: checked, and parsed once into a frozen value.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from gateway.keys.secret import ApiKey, contains_key
from gateway.protocol.forwarded import plain_address
from gateway.protocol.http_sse_endpoint import AmbiguousQuery, find_session_id
from gateway.proxy.admission import rejections
from gateway.proxy.admission.credentials.key_headers import KeyHeaders
from gateway.proxy.admission.headers import HeaderError, RawHeaders, check_request_headers
from gateway.proxy.admission.origins import Origins
from gateway.proxy.admission.policy import PolicyInputs
from gateway.proxy.admission.rejections import Deny, RequestRejected, invalid

PROBE_PATHS = frozenset({"/healthz", "/readyz"})
MAX_FIELD = 16 * 1024
"""Bytes of one header field."""
MAX_FIELDS = 256
_METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
_CONTINUE = b"100-continue"


class RequestHead(msgspec.Struct, frozen=True, kw_only=True):
    """A request head, without `Content-Length`."""

    method: str
    target: str
    path: str
    """The raw path without the query: neither decoded nor normalized."""
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    fields: Mapping[bytes, bytes]
    """Header values by lower-case name."""
    scheme: str
    host: str
    """Scheme and host that the client used, according to trusted proxies."""
    prefix: str
    """The prefix of the path that a trusted proxy has removed; may be empty."""
    origin: bytes | None
    """The allowed `Origin` of a browser; `None` for other clients."""
    session_ids: tuple[str, ...]
    """The sessions named in `Mcp-Session-Id` and then in the query (HTTP+SSE transport, 2024-11-05)."""
    protocol_version: str
    """`MCP-Protocol-Version`; may be empty."""
    user_agent: tuple[str, str]
    """Name and version of the first product in `User-Agent`; may be empty."""
    credential: ApiKey | Deny
    """A well-formed API key, not yet looked up; or the reason why there is none."""
    secrets: tuple[bytes, ...]
    """Credentials of the client, which are never forwarded."""
    policy_inputs: PolicyInputs

    @property
    def client_ip(self) -> str:
        """The client's address, according to trusted proxies."""
        return self.policy_inputs.client_ip

    @property
    def expects_continue(self) -> bool:
        """True if the client waits for `100 Continue` before it sends the body."""
        return b"expect" in self.fields


def read_head(
    method: str, target: str, headers: RawHeaders, peer: str, origins: Origins, key_headers: KeyHeaders
) -> RequestHead:
    """Check and parse a request head that came from the address `peer`. Raises `RequestRejected`."""
    if len(headers) > MAX_FIELDS or any(len(name) + len(value) > MAX_FIELD for name, value in headers):
        raise RequestRejected(rejections.HEAD_TOO_LARGE, close_connection=True)
    try:
        fields = check_request_headers(headers)
    except HeaderError as error:
        raise RequestRejected(invalid(str(error)), close_connection=True) from None
    if fields.get(b"expect", _CONTINUE).lower() != _CONTINUE:
        raise RequestRejected(rejections.EXPECTATION_FAILED, close_connection=True)
    path, _, query = target.partition("?")
    # Load balancers send probes to an address, not a host name; the responses need no protection from DNS rebinding.
    if path not in PROBE_PATHS and not origins.is_host_allowed(fields.get(b"host", b"").decode("latin-1")):
        raise RequestRejected(rejections.FOREIGN_HOST)
    origin = fields.get(b"origin")
    if origin is not None and not origins.is_origin_allowed(origin.decode("latin-1")):
        raise RequestRejected(rejections.FOREIGN_ORIGIN)
    if query and contains_key(unquote(query, "latin-1")):
        raise RequestRejected(invalid("The query holds an API key; send it in a header"))
    credential = key_headers.find(headers)
    address = _normalized(peer)
    scheme, host = origins.client_scheme_and_host(address, fields)
    return RequestHead(
        method=method,
        target=target,
        path=path,
        query=query.encode("latin-1", "replace"),
        headers=tuple(headers),
        fields=fields,
        scheme=scheme,
        host=host,
        prefix=origins.client_prefix(address, fields),
        origin=origin,
        session_ids=_session_ids(fields, query),
        protocol_version=fields.get(b"mcp-protocol-version", b"").decode("latin-1"),
        user_agent=_user_agent(fields.get(b"user-agent", b"")),
        credential=credential.key,
        secrets=credential.secrets,
        policy_inputs=PolicyInputs(
            client_ip=origins.client_address(address, fields),
            mcp_method=_text(fields, b"mcp-method"),
            mcp_name=_text(fields, b"mcp-name"),
        ),
    )


def check_body_allowed(head: RequestHead, content_length: int | None) -> None:
    """Reject a body on a method that has none. Raises `RequestRejected`."""
    if head.method in _METHODS_WITHOUT_BODY and (b"transfer-encoding" in head.fields or content_length):
        raise RequestRejected(rejections.BODY_NOT_ALLOWED, close_connection=True)


def _session_ids(fields: Mapping[bytes, bytes], query: str) -> tuple[str, ...]:
    header = _text(fields, b"mcp-session-id")
    ids = () if header is None else (header,)
    try:
        in_query = find_session_id(query) if query else None
    except AmbiguousQuery as error:
        raise RequestRejected(invalid(str(error))) from None
    return ids if in_query is None else (*ids, in_query)


def _user_agent(header: bytes) -> tuple[str, str]:
    product, _, _ = header.decode("latin-1").partition(" ")
    name, _, version = product.partition("/")
    return name, version


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = fields.get(name)
    return None if value is None else value.decode("latin-1")


def _normalized(address: str) -> str:
    """Return the IPv4 address in an IPv4-mapped IPv6 address (a dual-stack socket reports those)."""
    return plain_address(address) or address if ":" in address else address
