"""Registers sessions when they are opened: their owner, their client, and the address for their messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from secrets import token_urlsafe
from urllib.parse import urlsplit

import msgspec
from redis.exceptions import RedisError

from gateway.protocol.http_sse_endpoint import MAX_SESSION_ID, InvalidEndpoint, parse_endpoint
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.admission.admitted_request import NO_SESSION, AdmittedRequest, Session
from gateway.proxy.admission.rejections import REDIS_UNAVAILABLE, RequestRejected
from gateway.proxy.admission.sessions import Sessions
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.proxy.upstream.response_check import session_ids
from gateway.redis.names import digest

log = logging.getLogger(__name__)

_HTTP_SSE_VERSION = "2024-11-05"
"""The protocol revision whose transport has an address for the messages of each session."""


class SessionRegistration:
    """Registers the sessions that the upstream opens."""

    def __init__(self, sessions: Sessions, pool: UpstreamPool, public_url: str | None) -> None:
        """`public_url` is the URL under which clients reach the proxy, if it is configured."""
        self._sessions = sessions
        self._pool = pool
        self._public_path = urlsplit(public_url).path if public_url else None

    async def initialize(self, sending: Awaitable[SentRequest], request: AdmittedRequest) -> SentRequest:
        """Send an `initialize`, and register the session in the head of its response. Raises `RequestRejected`."""
        session_id = None
        try:
            sent = await sending
            session_id = next(iter(session_ids(sent.connection.response.headers)), None)
        finally:
            if request.principal is None and not session_id:
                await self._release_handshake(request.head.client_ip)
        if not session_id or len(session_id) > MAX_SESSION_ID:
            return sent
        try:
            await self.register(session_id, NO_SESSION, request)
        except BaseException:
            self._pool.release(sent.connection)
            raise
        return sent

    async def register(self, session_id: str, session: Session, request: AdmittedRequest) -> None:
        """Register the owner and the client of a session, from its `initialize`. Raises `RequestRejected`."""
        name, version = request.messages[0].client_info
        owner = request.principal.record.owner if request.principal else ""
        await self._store(
            session_id,
            msgspec.structs.replace(
                session,
                owner=owner,
                client_name=name,
                client_version=version,
                address="" if request.principal else request.head.client_ip,
            ),
        )

    async def rewrite_endpoint(self, request: AdmittedRequest, exchange: Exchange, data: bytes) -> bytes:
        """Register a session of the HTTP+SSE transport from its `endpoint` event; return the endpoint at the gateway.

        Raises `ResponseError` if the endpoint is not the upstream's, and `CorrelationUnavailable`.
        """
        assert request.principal is not None
        head, address = request.head, self._pool.address
        origins = [
            ("https" if address.is_tls else "http", address.host.decode("ascii")),
            (head.scheme, head.host),
        ]
        try:
            endpoint = parse_endpoint(data, address.path.decode("ascii"), origins, lambda: token_urlsafe(24))
            session = Session(
                request.principal.record.owner,
                protocol_version=_HTTP_SSE_VERSION,
                endpoint=endpoint.path,
                endpoint_query=digest(endpoint.query) if endpoint.forwards_query else "",
            )
            await self._store(endpoint.session_id, session)
        except InvalidEndpoint as error:
            raise ResponseError(str(error)) from None
        except RequestRejected as rejected:
            raise CorrelationUnavailable(rejected.deny.message) from None
        exchange.bind_session(endpoint.session_id)
        path = self._public_path or head.prefix + head.path
        return f"{path}?{endpoint.query}".encode("ascii")

    async def _store(self, session_id: str, session: Session) -> None:
        try:
            await self._sessions.register(session_id, session)
        except RedisError:
            raise RequestRejected(REDIS_UNAVAILABLE) from None

    async def _release_handshake(self, address: str) -> None:
        try:
            await self._sessions.release_handshake(address)
        except RedisError:
            log.warning("a handshake counts until its deadline, although it opened no session: Redis is unavailable")
