"""Taking note of sessions as they are opened: whose they are, by which client, and where their messages go."""

from __future__ import annotations

from collections.abc import Awaitable
from secrets import token_urlsafe

import msgspec

from gateway.protocol.message import Message
from gateway.protocol.message_endpoint import MAX_SESSION_ID, InvalidEndpoint, parse_endpoint
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.admission.admission import Admission
from gateway.proxy.admission.head import Principal, RequestHead
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.admission.sessions import Session
from gateway.proxy.pipeline.forwarding import Forwarding
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import ResponseError
from gateway.redis.names import digest

_WITH_ENDPOINTS = "2024-11-05"
"""The revision whose transport names an address for the messages of each session."""


class SessionRegistration:
    """What is noted when a session is opened."""

    def __init__(self, gatekeeper: Admission, forwarding: Forwarding) -> None:
        self._gatekeeper = gatekeeper
        self._forwarding = forwarding

    async def session(
        self,
        sending: Awaitable[UpstreamConnection],
        incoming: RequestHead,
        initialize: Message,
        principal: Principal | None,
    ) -> UpstreamConnection:
        """Send an `initialize`, and take note of the session that it opens."""
        session_id = None
        try:
            answer = await sending
            session_id = answer.header(b"mcp-session-id")
        finally:
            if principal is None and not session_id:
                await self._gatekeeper.note_no_session(incoming.client_ip)
        if not session_id or len(session_id) > MAX_SESSION_ID:
            return answer
        try:
            await self.note(session_id, Session(""), incoming, initialize, principal)
        except BaseException:
            self._forwarding.give_up(answer)
            raise
        return answer

    async def note(
        self,
        session_id: str,
        session: Session,
        incoming: RequestHead,
        initialize: Message,
        principal: Principal | None,
    ) -> None:
        """Take note of whose a session is, and which client opened it."""
        name, version = initialize.client_info
        await self._gatekeeper.note_new_session(
            session_id,
            msgspec.structs.replace(
                session,
                owner=principal.record.owner if principal else "",
                client_name=name,
                client_version=version,
                address="" if principal else incoming.client_ip,
            ),
        )

    async def endpoint(self, incoming: RequestHead, principal: Principal, calls: PendingCalls, data: bytes) -> bytes:
        """Take note of a session of the HTTP+SSE transport: where its messages go, from now on through the gateway."""
        upstream = self._forwarding.upstream
        origins = [
            ("https" if upstream.is_tls else "http", upstream.host.decode("ascii")),
            (incoming.scheme, incoming.host),
        ]
        try:
            endpoint = parse_endpoint(data, upstream.path.decode("ascii"), origins, lambda: token_urlsafe(24))
            session = Session(
                principal.record.owner,
                protocol_version=_WITH_ENDPOINTS,
                endpoint=endpoint.path,
                endpoint_query=digest(endpoint.query) if endpoint.forwards_query else "",
            )
            await self._gatekeeper.note_new_session(endpoint.session_id, session)
        except InvalidEndpoint as fault:
            raise ResponseError(str(fault)) from None
        except RequestRejected as refused:
            raise CorrelationUnavailable(refused.deny.message) from None
        calls.bind_session(endpoint.session_id)
        return f"{incoming.path}?{endpoint.query}".encode("ascii")
