"""One request, from top to bottom.

bytes → `read_body` → `read_messages` → `Gatekeeper.admit` (which decides) → `Forwarding.send` →
`Forwarding.bring_back`, with `Calls` listening → `UsageEvent` → stream.

Everything that the gateway answers by itself is a `Refused` with a `Deny`, and becomes HTTP in one place.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from secrets import token_urlsafe
from typing import Any

import msgspec

from gateway.protocol.message import Body, Message, Unreadable
from gateway.protocol.message import read_body as read_messages
from gateway.proxy import answers
from gateway.proxy.asked import MAX_TEXT, Caller
from gateway.proxy.awaited import IdInUse
from gateway.proxy.calls import Calls, Clock
from gateway.proxy.client.answer import Answer
from gateway.proxy.client.connection import Exchange
from gateway.proxy.client.framing import FramingFault
from gateway.proxy.config import ProxyConfig
from gateway.proxy.cors import cors_headers, preflight_answer
from gateway.proxy.decision import Deny, invalid
from gateway.proxy.elsewhere import Elsewhere, Untraceable
from gateway.proxy.endpoints import MAX_SESSION_ID, ForeignEndpoint, read_endpoint
from gateway.proxy.forwarding import Forwarding
from gateway.proxy.gatekeeper import Gatekeeper, Principal
from gateway.proxy.incoming import Incoming, LastCaller, Refused, read_body, read_head
from gateway.proxy.look import Meter
from gateway.proxy.observed import Observed
from gateway.proxy.origins import Origins
from gateway.proxy.sessions import Session
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.failures import AnswerError

_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
_WITH_ENDPOINTS = "2024-11-05"
"""The revision whose transport names an address for the messages of each session."""
_KEYLESS_PART = 4
"""Requests without a good key get this part of the room for requests, besides."""
_REFUSED = 400
"""The status from which on the upstream has not done what it was asked."""
_CLIENT_LEFT = 499
"""What is counted for a client that left before its answer began; nobody is sent it."""


class Handler:
    """Serves the MCP endpoint, and health."""

    def __init__(
        self,
        config: ProxyConfig,
        *,
        gatekeeper: Gatekeeper,
        forwarding: Forwarding,
        elsewhere: Elsewhere,
        clock: Clock,
        meter: Meter,
        learn: Callable[[bytes], None],
        is_ready: Callable[[], Awaitable[bool]],
        observed: Observed,
    ) -> None:
        self._config = config
        self._gatekeeper = gatekeeper
        self._forwarding = forwarding
        self._elsewhere = elsewhere
        self._clock = clock
        self._meter = meter
        self._learn = learn
        self._is_ready = is_ready
        self._observed = observed
        self._paths = frozenset(config.proxy_paths)
        self._origins = Origins(
            bind_host=config.host,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
        )
        self._identifying = 0
        self._active = dict.fromkeys(("keyless", "request", "listening"), 0)

    async def __call__(self, exchange: Exchange) -> Answer | None:
        """Answer one HTTP request; `None` where the answer has gone out through the exchange."""
        started = self._clock.monotonic()
        origin, reason = None, "forwarded"
        status = 500
        try:
            incoming = read_head(exchange, self._origins)
            origin = incoming.origin
            is_endpoint = incoming.path in self._paths
            answer = await (self._serve_endpoint if is_endpoint else self._serve_probe)(exchange, incoming)
            status = exchange.status if answer is None else answer.head.status
        except Refused as refused:
            status, reason = refused.deny.status, refused.deny.reason
            answer = answers.refusal(refused.deny, refused.id, cors=cors_headers(origin), closes=refused.closes)
        except (asyncio.CancelledError, ConnectionError):
            # Clients close a stream when they have what they came for; that is no failure.
            status = exchange.status or _CLIENT_LEFT
            reason = "forwarded" if exchange.status else "client_left"
            raise
        finally:
            seconds = self._clock.monotonic() - started
            self._observed.answered(exchange.request.method, status, reason, seconds)
        return answer

    def refuse(self, fault: FramingFault) -> Answer:
        """The answer to what is no HTTP request."""
        return self._refused_unread(answers.bad_framing(fault))

    def failed(self) -> Answer:
        """The answer to a request that failed in here."""
        return answers.refusal(answers.INTERNAL, None, closes=True)

    def _refused_unread(self, deny: Deny) -> Answer:
        self._observed.answered("", deny.status, deny.reason, 0.0)
        return answers.refusal(deny, None, closes=True)

    async def _serve_probe(self, _exchange: Exchange, incoming: Incoming) -> Answer:
        if incoming.path == "/healthz" and incoming.method in ("GET", "HEAD"):
            return answers.own(200, b'{"status":"alive"}')
        if incoming.path == "/readyz" and incoming.method in ("GET", "HEAD"):
            ready = await self._is_ready()
            status = "ready" if ready else "not ready"
            return answers.own(200 if ready else 503, msgspec.json.encode({"status": status}))
        raise Refused(answers.NOT_FOUND)

    async def _serve_endpoint(self, exchange: Exchange, incoming: Incoming) -> Answer | None:
        if incoming.method == "OPTIONS":
            return preflight_answer(incoming.origin)
        if incoming.method == "HEAD":
            return answers.own(200, b"")
        if incoming.method not in ("POST", "GET", "DELETE"):
            return answers.refusal(answers.METHOD_NOT_ALLOWED, None)
        credential = self._gatekeeper.recall(incoming) or await self._identify(incoming)
        is_listening = incoming.method == "GET"
        kind = "keyless" if isinstance(credential, Deny) else "listening" if is_listening else "request"
        self._enter(kind)
        try:
            if incoming.method == "POST":
                return await self._post(exchange, incoming, credential)
            return await self._get_or_delete(exchange, incoming, credential)
        finally:
            self._active[kind] -= 1

    async def _identify(self, incoming: Incoming) -> Principal | Deny:
        if self._identifying >= self._config.max_concurrent_requests:
            raise Refused(answers.OVERLOADED)
        self._identifying += 1
        try:
            return await self._gatekeeper.identify(incoming)
        finally:
            self._identifying -= 1

    def _enter(self, kind: str) -> None:
        """Count a request, if there is room: streams that listen, and who has no key, take no room from the others."""
        most = self._config.max_concurrent_requests
        if self._active[kind] >= (most if kind != "keyless" else math.ceil(most / _KEYLESS_PART)):
            raise Refused(answers.OVERLOADED)
        self._active[kind] += 1

    async def _post(self, exchange: Exchange, incoming: Incoming, credential: Principal | Deny) -> Answer | None:
        is_received = exchange.request.is_received
        body_bytes = await read_body(
            exchange,
            incoming,
            max_bytes=self._config.max_request_bytes,
            timeout=self._config.request_body_timeout,
            keyless=credential if isinstance(credential, Deny) else None,
        )
        if not is_received:
            # That took its time, in which the key may have been revoked.
            credential = await self._gatekeeper.identify(incoming)
        try:
            body = read_messages(body_bytes)
        except Unreadable as fault:
            raise Refused(invalid(str(fault), fault.code), fault.id) from None
        try:
            return await self._forward(exchange, incoming, credential, body, body_bytes)
        except Refused as refused:
            raise Refused(refused.deny, None if body.is_batch else body.messages[0].id) from None

    async def _forward(
        self, exchange: Exchange, incoming: Incoming, credential: Principal | Deny, body: Body, body_bytes: bytes
    ) -> Answer | None:
        principal, session = await self._gatekeeper.admit(incoming, body, credential)
        first = body.messages[0]
        is_listening = first.method == "subscriptions/listen"
        caller = self._caller(incoming, first, principal, session)
        record = principal.record if principal else None
        calls = Calls(body.messages, caller, record, self._clock, self._meter, listens=is_listening, learn=self._learn)
        if session.endpoint:
            await self._note(calls)
            if first.method == "initialize":
                await self._note_session(incoming.session_ids[-1], session, incoming, first, principal)
        sending = self._forwarding.send(incoming, principal, session, body_bytes, calls)
        if first.method == "initialize":
            # A session that nobody took note of could never be ended.
            sending = self._forwarding.to_the_end(self._open_session(sending, incoming, first, principal))
        answer = await sending
        return await self._forwarding.bring_back(
            exchange,
            incoming,
            principal,
            answer,
            calls,
            cors_headers(incoming.origin),
            is_listening=is_listening,
        )

    async def _note(self, calls: Calls) -> None:
        """Note what is asked on the HTTP+SSE transport: its answer may come before the answer to the POST."""
        try:
            await self._elsewhere.note(calls, is_repeatable=False)
        except IdInUse:
            raise Refused(answers.ID_IN_USE) from None
        except Untraceable:
            raise Refused(answers.UNTRACEABLE) from None

    async def _get_or_delete(
        self, exchange: Exchange, incoming: Incoming, credential: Principal | Deny
    ) -> Answer | None:
        principal, session = await self._gatekeeper.admit_bodiless(incoming, credential)
        caller = self._caller(incoming, None, principal, session)
        is_listening = incoming.method == "GET"
        calls = Calls((), caller, principal.record, self._clock, self._meter, listens=is_listening, learn=self._learn)
        if is_listening and incoming.text(b"last-event-id"):
            await self._forwarding.make_way(calls)
        answer = await self._forwarding.send(incoming, principal, session, b"", calls)
        is_deleted = incoming.method == "DELETE" and answer.status < _REFUSED
        try:
            return await self._forwarding.bring_back(
                exchange,
                incoming,
                principal,
                answer,
                calls,
                cors_headers(incoming.origin),
                is_listening=is_listening,
                open_endpoint=partial(self._open_endpoint, incoming, principal, calls) if is_listening else None,
            )
        finally:
            # A session of the HTTP+SSE transport ends with its stream.
            if is_deleted or calls.has_entered:
                await self._elsewhere.end(calls)

    async def _open_endpoint(self, incoming: Incoming, principal: Principal, calls: Calls, data: bytes) -> bytes:
        """Take note of a session of the HTTP+SSE transport: where its messages go, from now on through the gateway."""
        upstream = self._forwarding.upstream
        origins = [
            ("https" if upstream.is_tls else "http", upstream.host.decode("ascii")),
            (incoming.scheme, incoming.host),
        ]
        try:
            endpoint = read_endpoint(data, upstream.path.decode("ascii"), origins, lambda: token_urlsafe(24))
            session = Session(
                principal.record.owner,
                protocol_version=_WITH_ENDPOINTS,
                endpoint=endpoint.path,
                endpoint_query=endpoint.query_digest,
            )
            await self._gatekeeper.note_new_session(endpoint.session_id, session)
        except ForeignEndpoint as fault:
            raise AnswerError(str(fault)) from None
        except Refused as refused:
            raise Untraceable(refused.deny.message) from None
        calls.enter(endpoint.session_id)
        return f"{incoming.path}?{endpoint.query}".encode("ascii")

    async def _open_session(
        self,
        sending: Awaitable[UpstreamConnection],
        incoming: Incoming,
        initialize: Message,
        principal: Principal | None,
    ) -> UpstreamConnection:
        """Send an `initialize`, and take note of the session that it opens."""
        session_id = None
        try:
            answer = await sending
            session_id = answer.field(b"mcp-session-id")
        finally:
            if principal is None and not session_id:
                await self._gatekeeper.note_no_session(incoming.client_ip)
        if not session_id or len(session_id) > MAX_SESSION_ID:
            return answer
        try:
            await self._note_session(session_id, Session(""), incoming, initialize, principal)
        except BaseException:
            self._forwarding.give_up(answer)
            raise
        return answer

    async def _note_session(
        self,
        session_id: str,
        session: Session,
        incoming: Incoming,
        initialize: Message,
        principal: Principal | None,
    ) -> None:
        """Take note of whose a session is, and which client opened it."""
        name, version = _client_of(initialize)
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

    def _caller(
        self, incoming: Incoming, message: Message | None, principal: Principal | None, session: Session
    ) -> Caller:
        name, version = _client_of(message)
        if not name:
            name, version = session.client_name, session.client_version
        if not name:
            name, _, version = (incoming.text(b"user-agent") or "").partition(" ")[0].partition("/")
        record = principal.record if principal else None
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
            gateway_id=self._config.gateway_id,
        )
        incoming.caller = LastCaller(record, session, name, version, caller)
        return caller


def _client_of(message: Message | None) -> tuple[str, str]:
    """Name and version of the client, as `initialize` or a request of 2026-07-28 tells them; empty where none does."""
    if message is None:
        return "", ""
    info: Any = message.meta(_CLIENT_INFO)
    if info is None and message.method == "initialize" and isinstance(message.params, dict):
        info = message.params.get("clientInfo")
    if not isinstance(info, dict):
        return "", ""
    name, version = info.get("name"), info.get("version")
    return (name if isinstance(name, str) else ""), (version if isinstance(version, str) else "")
