"""A request as the proxy sees it: checked, and reduced to what the handler needs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping

import msgspec

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, MalformedKey
from gateway.protocol.message import Message
from gateway.protocol.message_endpoint import AmbiguousQuery, find_session_id
from gateway.proxy.admission import rejections
from gateway.proxy.admission.caller import MAX_TEXT, Caller
from gateway.proxy.admission.headers import HeaderFault, RawHeaders, check_request_headers
from gateway.proxy.admission.origins import Origins, plain_address
from gateway.proxy.admission.policy import PolicyInputs
from gateway.proxy.admission.rejections import NO_KEY, Deny, RequestRejected, bad_key, invalid
from gateway.proxy.admission.sessions import Session
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import RequestContext

_BODILESS = frozenset({"GET", "HEAD", "DELETE"})
_CONTINUE = b"100-continue"
PROBES = frozenset({"/healthz", "/readyz"})
MAX_KEYLESS_BODY = 64 * 1024
"""Bytes of a body that is read without a good key; an `initialize` has a few hundred."""


class UpstreamHead(msgspec.Struct, frozen=True):
    """The head of a request as it goes upstream, and what it depends on beside the head that came."""

    named: KeyRecord | None
    endpoint: str
    text: bytes


class Principal(msgspec.Struct, frozen=True):
    """The key that a request came with, found good, and its record."""

    key: ApiKey
    record: KeyRecord


class LastCaller(msgspec.Struct, frozen=True):
    """Who calls, and what it depends on beside the head of the request."""

    record: KeyRecord | None
    session: Session
    name: str
    version: str
    caller: Caller


class RequestHead(msgspec.Struct, kw_only=True):
    """What the head of a request says, but for the length of its body."""

    method: str
    target: str
    path: str
    """The raw path, without query; nothing is decoded or normalised."""
    query: bytes
    headers: RawHeaders
    fields: Mapping[bytes, bytes]
    """Lower-case names to values."""
    client_ip: str
    scheme: str
    host: str
    origin: bytes | None
    session_ids: tuple[str, ...]
    """The sessions that it names: in its header, then in its query (the HTTP+SSE transport of 2024-11-05)."""
    user_agent: tuple[str, str]
    """Name and version of the first product that its `User-Agent` names; empty where there is none."""
    is_usual: bool = False
    """Whether nothing in the head keeps a call off the fast path; known after the first request."""
    credential: ApiKey | Deny
    """The key that it came with, well-formed if not known yet; or why there is none."""
    principal: Principal | None = None
    """Who it was when its key was last recalled."""
    facts: PolicyInputs | None = None
    """What it tells that is decided on."""
    upstream_head: UpstreamHead | None = None
    """What went upstream for it."""
    caller: LastCaller | None = None
    """Who made the last call with it."""

    def text(self, name: bytes) -> str | None:
        """A header field as text; `None` where absent."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")


def read_head(exchange: RequestContext, origins: Origins) -> RequestHead:
    """Check and reduce the head of a request. Raises `RequestRejected`.

    Most requests of a connection have the same head but for the length: what was found good before is not read again.
    """
    request, last = exchange.request, exchange.head_cache
    if (
        isinstance(last, RequestHead)
        and (last.headers is request.headers or last.headers == request.headers)
        and last.target == request.target
        and last.method == request.method
    ):
        incoming = last
    else:
        incoming = _read_head(exchange, origins)
        exchange.head_cache = incoming if request.is_small else None
    exchange.origin = incoming.origin
    if incoming.method in _BODILESS and (b"transfer-encoding" in incoming.fields or request.content_length):
        raise RequestRejected(invalid("A request of this method has no body"), close_connection=True)
    return incoming


def _read_head(exchange: RequestContext, origins: Origins) -> RequestHead:
    request = exchange.request
    try:
        fields = check_request_headers(request.headers)
    except HeaderFault as fault:
        raise RequestRejected(invalid(str(fault)), close_connection=True) from None
    if fields.get(b"expect", _CONTINUE).lower() != _CONTINUE:
        raise RequestRejected(rejections.EXPECTATION_FAILED, close_connection=True)
    path, _, query = request.target.partition("?")
    peer = _address(exchange.peer)
    host = fields.get(b"host", b"").decode("latin-1")
    # Probes come by address, from machines that know no name; they are told nothing worth rebinding for.
    if path not in PROBES and not origins.is_host_allowed(host):
        raise RequestRejected(rejections.FOREIGN_HOST)
    origin = fields.get(b"origin")
    if origin is not None and not origins.is_origin_allowed(origin.decode("latin-1")):
        raise RequestRejected(rejections.FOREIGN_ORIGIN)
    scheme, public_host = origins.client_scheme_and_host(peer, "http", fields)
    return RequestHead(
        method=request.method,
        target=request.target,
        path=path,
        query=query.encode("latin-1", "replace"),
        headers=request.headers,
        fields=fields,
        client_ip=origins.client_address(peer, fields),
        scheme=scheme,
        host=public_host,
        origin=origin,
        session_ids=_session_ids(fields, query),
        user_agent=_user_agent(fields.get(b"user-agent", b"")),
        credential=_credential(fields.get(b"authorization")),
    )


def _session_ids(fields: Mapping[bytes, bytes], query: str) -> tuple[str, ...]:
    header = fields.get(b"mcp-session-id")
    ids = () if header is None else (header.decode("latin-1"),)
    try:
        named = find_session_id(query) if query else None
    except AmbiguousQuery as fault:
        raise RequestRejected(invalid(str(fault))) from None
    return ids if named is None else (*ids, named)


def _user_agent(header: bytes) -> tuple[str, str]:
    product, _, _ = header.decode("latin-1").partition(" ")
    name, _, version = product.partition("/")
    return name, version


def _credential(header: bytes | None) -> ApiKey | Deny:
    if header is None:
        return NO_KEY
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        return bad_key("scheme")
    try:
        return ApiKey.parse(token.strip(" "))
    except MalformedKey:
        return bad_key("malformed")


async def read_body(
    exchange: RequestContext,
    incoming: RequestHead,
    *,
    max_bytes: int,
    timeout: float,  # noqa: ASYNC109
    keyless: Deny | None,
) -> bytes:
    """Read the body of a POST within its bounds, narrow ones where there is no good key. Raises `RequestRejected`."""
    fields = incoming.fields
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestRejected(rejections.ENCODED_BODY)
    if not _is_json(fields.get(b"content-type", b"")):
        raise RequestRejected(rejections.NOT_JSON)
    length = exchange.request.content_length or 0
    if length > max_bytes:
        raise RequestRejected(rejections.TOO_LARGE)
    if keyless is not None and (length > MAX_KEYLESS_BODY or b"expect" in fields):
        raise RequestRejected(keyless)
    limit = max_bytes if keyless is None else min(max_bytes, MAX_KEYLESS_BODY)
    if b"expect" in fields and exchange.request.version == "1.1":
        exchange.send_continue()
    try:
        is_received = exchange.request.is_received
        body = exchange.request.take() if is_received else await _read_within(exchange, limit, timeout)
    except FramingError as fault:
        raise RequestRejected(invalid(str(fault)), close_connection=True) from None
    if len(body) > limit:
        raise RequestRejected(keyless or rejections.TOO_LARGE, close_connection=True)
    return body


@functools.lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    """Whether it is JSON in UTF-8; a parameter that is no charset says nothing (RFC 8259, section 11)."""
    media_type, *parameters = content_type.lower().split(b";")
    if media_type.strip() != b"application/json":
        return False
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return False
    return True


async def _read_within(exchange: RequestContext, limit: int, seconds: float) -> bytes:
    """The body, at most one piece beyond the limit. Raises `RequestRejected` if it is late, `FramingError`."""
    request = exchange.request
    parts = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            is_over = False
            while not is_over and size <= limit:
                await request.arrival()
                is_over = request.is_received
                parts.append(request.take())
                exchange.resume_reading()
                size += len(parts[-1])
    except TimeoutError:
        raise RequestRejected(rejections.TOO_SLOW, close_connection=True) from None
    return b"".join(parts)


def _address(address: str) -> str:
    """The peer's address; an IPv4 one is written as such also where the socket speaks IPv6."""
    return plain_address(address) or address if ":" in address else address


def caller_of(
    incoming: RequestHead, message: Message | None, record: KeyRecord | None, session: Session, gateway_id: str
) -> Caller:
    """The caller of one request; the same as before where a connection's requests have it in common."""
    name, version = ("", "") if message is None else message.client_info
    if not name:
        name, version = session.client_name, session.client_version
    if not name:
        name, version = incoming.user_agent
    last = incoming.caller
    if (
        last is not None
        and last.record is record
        and last.session is session
        and (last.name, last.version) == (name, version)
    ):
        return last.caller
    caller = Caller(
        key_id=record.key_id if record else "",
        key_name=record.key_name if record else "",
        owner=record.owner if record else "",
        client_name=name[:MAX_TEXT],
        client_version=version[:MAX_TEXT],
        session_id=incoming.session_ids[-1] if incoming.session_ids else "",
        protocol_version=(incoming.text(b"mcp-protocol-version") or session.protocol_version)[:MAX_TEXT],
        client_ip=incoming.client_ip,
        gateway_id=gateway_id,
    )
    incoming.caller = LastCaller(record, session, name, version, caller)
    return caller
