"""A request as the proxy sees it: checked, and reduced to what the handler needs."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping

import msgspec
from aiohttp import HttpVersion10, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.proxy import answers
from gateway.proxy.decision import NO_KEY, Deny, invalid
from gateway.proxy.headers import HeaderFault, RawHeaders, check_request_headers
from gateway.proxy.origins import Origins

MAX_KEYLESS_BODY = 64 * 1024
"""Bytes of a body that is read without an `Authorization` header; an `initialize` has a few hundred."""


class Refused(Exception):
    """The request is answered by the gateway; `deny` says how."""

    def __init__(self, deny: Deny, id: object = None) -> None:  # noqa: A002
        super().__init__(deny.reason)
        self.deny = deny
        self.id = id


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """What the head of a request says."""

    method: str
    path: str
    """The raw path, without query; nothing is decoded or normalised."""
    query: bytes
    headers: RawHeaders
    fields: Mapping[bytes, bytes]
    """Lower-case names to values."""
    client_ip: str
    scheme: str
    host: str
    origin: str | None

    def text(self, name: bytes) -> str | None:
        """A header field as text; `None` where absent."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")


def read_head(request: web.BaseRequest, origins: Origins) -> Incoming:
    """Check and reduce the head of a request. Raises `Refused`."""
    if request.version < HttpVersion10 or (request.version == HttpVersion10 and "Transfer-Encoding" in request.headers):
        raise Refused(invalid("Not a valid HTTP/1.1 request"))
    try:
        fields = check_request_headers(request.raw_headers)
    except HeaderFault as fault:
        raise Refused(invalid(str(fault))) from None
    path, _, query = request.raw_path.partition("?")
    peer = _address(request)
    host = fields.get(b"host", b"").decode("latin-1")
    if not origins.is_host_allowed(host):
        raise Refused(answers.FOREIGN_HOST)
    origin = fields.get(b"origin")
    if origin is not None and not origins.is_origin_allowed(origin.decode("latin-1")):
        raise Refused(answers.FOREIGN_ORIGIN)
    scheme, public_host = origins.client_scheme_and_host(peer, request.scheme, fields)
    return Incoming(
        method=request.method,
        path=path,
        query=query.encode("latin-1", "replace"),
        headers=request.raw_headers,
        fields=fields,
        client_ip=origins.client_address(peer, fields),
        scheme=scheme,
        host=public_host,
        origin=None if origin is None else origin.decode("latin-1"),
    )


async def read_body(
    request: web.BaseRequest,
    incoming: Incoming,
    *,
    max_bytes: int,
    timeout: float,  # noqa: ASYNC109
) -> bytes:
    """Read the body of a POST within its bounds. Raises `Refused`."""
    fields = incoming.fields
    if fields.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Refused(answers.ENCODED_BODY)
    _check_content_type(fields.get(b"content-type", b""))
    if (request.content_length or 0) > max_bytes:
        raise Refused(answers.TOO_LARGE)
    has_key = b"authorization" in fields
    if not has_key and (request.content_length or 0) > MAX_KEYLESS_BODY:
        raise Refused(NO_KEY)
    limit = max_bytes if has_key else min(max_bytes, MAX_KEYLESS_BODY)
    expectation = fields.get(b"expect")
    if expectation is not None:
        if expectation.strip().lower() != b"100-continue":
            raise Refused(answers.EXPECTATION_FAILED)
        if not has_key:
            raise Refused(NO_KEY)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if request.content.is_eof():
        body = request.content.read_nowait()
    else:
        try:
            async with asyncio.timeout(timeout):
                body = await _read_up_to(request.content, limit)
        except TimeoutError:
            raise Refused(answers.TOO_SLOW) from None
        except HttpProcessingError:
            raise Refused(invalid("The request body is not valid HTTP")) from None
    if len(body) > limit:
        raise Refused(answers.TOO_LARGE if has_key else NO_KEY)
    return body


def _check_content_type(value: bytes) -> None:
    media_type, _, parameters = value.partition(b";")
    if media_type.strip().lower() != b"application/json":
        raise Refused(answers.NOT_JSON)
    if b"charset" in parameters.lower() and b"utf-8" not in parameters.lower():
        raise Refused(answers.NOT_JSON)


async def _read_up_to(content: StreamReader, limit: int) -> bytes:
    parts = []
    size = 0
    while chunk := await content.readany():
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(parts)


def _address(request: web.BaseRequest) -> str:
    """The peer's address; an IPv4 one is written as such also where the socket speaks IPv6."""
    peername = request.transport.get_extra_info("peername") if request.transport is not None else None
    address = str(peername[0]) if isinstance(peername, tuple) and peername else ""
    if address.startswith("::ffff:"):
        mapped = ipaddress.ip_address(address)
        if isinstance(mapped, ipaddress.IPv6Address) and mapped.ipv4_mapped is not None:
            return str(mapped.ipv4_mapped)
    return address
