"""One request, from top to bottom.

bytes → `read_body` → `read_messages` → `Gatekeeper.admit` (which decides) → `Forwarding.send` →
`Forwarding.bring_back`, with `Calls` listening → `UsageEvent` → stream.

Everything that the gateway answers by itself is a `Refused` with a `Deny`, and becomes HTTP in one place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from gateway.protocol.message import Body, Unreadable
from gateway.protocol.message import read_body as read_messages
from gateway.proxy import answers
from gateway.proxy.awaited import IdInUse
from gateway.proxy.callers import caller_of
from gateway.proxy.calls import Calls, Clock
from gateway.proxy.client.answer import Answer
from gateway.proxy.client.exchange import Exchange
from gateway.proxy.client.framing import FramingFault
from gateway.proxy.config import ProxyConfig
from gateway.proxy.cors import cors_headers, preflight_answer
from gateway.proxy.decision import Deny, invalid
from gateway.proxy.elsewhere import Elsewhere, Untraceable
from gateway.proxy.forwarding import Forwarding
from gateway.proxy.gatekeeper import Gatekeeper
from gateway.proxy.incoming import Incoming, Principal, Refused, read_body, read_head
from gateway.proxy.look import Meter
from gateway.proxy.observed import Observed
from gateway.proxy.opening import Opening
from gateway.proxy.origins import Origins
from gateway.proxy.room import Kind, Room
from gateway.proxy.straight import CLIENT_LEFT, Straight, StraightCall

log = logging.getLogger(__name__)

_REFUSED = 400
"""The status from which on the upstream has not done what it was asked."""


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
        self._opening = Opening(gatekeeper, forwarding)
        self._room = Room(config.max_concurrent_requests)
        straight = Straight(
            gatekeeper=gatekeeper,
            forwarding=forwarding,
            room=self._room,
            clock=clock,
            meter=meter,
            learn=learn,
            observed=observed,
            gateway_id=config.gateway_id,
            max_request_bytes=config.max_request_bytes,
            take_up=lambda call: partial(self._take_up, call),
        )
        self.begin = straight.begin
        """Begins to answer a usual call; gives `None` for what has to be served otherwise."""

    async def __call__(self, exchange: Exchange) -> Answer | None:
        """Answer one HTTP request; `None` where the answer has gone out through the exchange."""
        return await self._answer(exchange, self._serve(exchange), self._clock.monotonic())

    async def _take_up(self, call: StraightCall, exchange: Exchange) -> Answer | None:
        """Bring back the answer to what was sent on the straight way, where it is not the usual one."""
        return await self._answer(exchange, self._bring_back(call), call.started)

    async def _answer(
        self, exchange: Exchange, serving: Coroutine[Any, Any, Answer | None], started: float
    ) -> Answer | None:
        reason = "forwarded"
        status = 500
        try:
            answer = await serving
            status = exchange.status if answer is None else answer.head.status
        except Refused as refused:
            status, reason = refused.deny.status, refused.deny.reason
            cors = cors_headers(exchange.origin)
            answer = answers.refusal(refused.deny, refused.id, cors=cors, closes=refused.closes)
        except (asyncio.CancelledError, ConnectionError):
            # Clients close a stream when they have what they came for; that is no failure.
            status = exchange.status or CLIENT_LEFT
            reason = "forwarded" if exchange.status else "client_left"
            raise
        finally:
            seconds = self._clock.monotonic() - started
            self._observed.answered(exchange.request.method, status, reason, seconds)
            if log.isEnabledFor(logging.DEBUG):
                method, milliseconds = exchange.request.method, seconds * 1000
                log.debug("%s answered %d (%s) in %.1f ms", method, status, reason, milliseconds)
        return answer

    def refuse(self, fault: FramingFault) -> Answer:
        """The answer to what is no HTTP request."""
        deny = answers.bad_framing(fault)
        self._observed.answered("", deny.status, deny.reason, 0.0)
        return answers.refusal(deny, None, closes=True)

    def failed(self) -> Answer:
        """The answer to a request that failed in here."""
        return answers.refusal(answers.INTERNAL, None, closes=True)

    async def _serve(self, exchange: Exchange) -> Answer | None:
        incoming = read_head(exchange, self._origins)
        is_endpoint = incoming.path in self._paths
        return await (self._serve_endpoint if is_endpoint else self._serve_probe)(exchange, incoming)

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
        kind: Kind = "keyless" if isinstance(credential, Deny) else "listening" if is_listening else "request"
        self._room.enter(kind)
        try:
            if incoming.method == "POST":
                return await self._post(exchange, incoming, credential)
            return await self._get_or_delete(exchange, incoming, credential)
        finally:
            self._room.leave(kind)

    async def _identify(self, incoming: Incoming) -> Principal | Deny:
        self._room.enter("unidentified")
        try:
            return await self._gatekeeper.identify(incoming)
        finally:
            self._room.leave("unidentified")

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
        is_listening = any(message.method == "subscriptions/listen" for message in body.messages)
        record = principal.record if principal else None
        incoming.is_usual = record is not None and b"expect" not in incoming.fields
        caller = caller_of(incoming, first, record, session, self._config.gateway_id)
        calls = Calls(body.messages, caller, record, self._clock, self._meter, listens=is_listening, learn=self._learn)
        if session.endpoint:
            await self._note(calls)
            if first.method == "initialize":
                await self._opening.note(incoming.session_ids[-1], session, incoming, first, principal)
        sending = self._forwarding.send(incoming, principal, session, body_bytes, calls)
        if first.method == "initialize":
            # A session that nobody took note of could never be ended.
            sending = self._forwarding.to_the_end(self._opening.session(sending, incoming, first, principal))
        answer = await sending
        return await self._forwarding.bring_back(
            exchange,
            incoming,
            principal,
            answer,
            calls,
            is_listening=is_listening,
        )

    async def _bring_back(self, call: StraightCall) -> Answer | None:
        calls = call.calls()
        try:
            await self._forwarding.wait_for_head(call.incoming, call.upstream, calls)
            return await self._forwarding.bring_back(
                call.exchange,
                call.incoming,
                call.principal,
                call.upstream,
                calls,
                is_listening=False,
            )
        except Refused as refused:
            raise Refused(refused.deny, call.message.id) from None
        finally:
            self._room.leave("request")

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
        caller = caller_of(incoming, None, principal.record, session, self._config.gateway_id)
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
                is_listening=is_listening,
                open_endpoint=partial(self._opening.endpoint, incoming, principal, calls) if is_listening else None,
            )
        finally:
            # A session of the HTTP+SSE transport ends with its stream.
            if is_deleted or calls.has_entered:
                await self._elsewhere.end(calls)
