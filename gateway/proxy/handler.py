"""One request, from top to bottom.

bytes → `read_body` → `decide` → limits → session → upstream → `Relay`, with `Calls` listening → `UsageEvent` → stream.
Everything that the gateway answers by itself is a `Refused` with a `Deny`, and becomes HTTP in one place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from multidict import CIMultiDict
from redis.exceptions import RedisError

from gateway.keys.cache import KeyCache, KeysUnavailable
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, MalformedKey
from gateway.metering import meter, tables_in_arguments
from gateway.protocol.message import Body, Message, Unreadable
from gateway.protocol.message import read_body as read_messages
from gateway.proxy import answers
from gateway.proxy.calls import Caller, Calls, Clock
from gateway.proxy.config import ProxyConfig
from gateway.proxy.decision import NO_KEY, Allow, Deny, Facts, address_refusal, bad_key, decide, invalid
from gateway.proxy.headers import Client, UpstreamIdentity, client_headers, upstream_headers
from gateway.proxy.incoming import Incoming, Refused, read_body, read_head
from gateway.proxy.limits import Limits
from gateway.proxy.observed import Observed
from gateway.proxy.origins import Origins
from gateway.proxy.relay import Relay
from gateway.proxy.sessions import MAX_SESSION_ID, Session, Sessions
from gateway.proxy.streams import OpenStreams
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.failures import UpstreamError
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.usage.event import UsageEvent
from gateway.usage.stream import UsageStream

log = logging.getLogger(__name__)

_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
_FIRST_WITHOUT_SESSIONS = "2026-07-28"
_NOBODY = Session(owner="")
_MAX_FINISHING = 1000
"""Calls whose client has gone that are taken in to be counted; beyond, they are ended."""


class Principal:
    """The key that a request came with, once it was found good."""

    __slots__ = ("key", "record")

    def __init__(self, key: ApiKey, record: KeyRecord) -> None:
        self.key = key
        self.record = record


class Handler:
    """Serves the MCP endpoint."""

    def __init__(
        self,
        config: ProxyConfig,
        *,
        keys: KeyCache,
        pool: UpstreamPool,
        sessions: Sessions,
        limits: Limits,
        usage: UsageStream,
        clock: Clock,
        is_ready: Callable[[], Awaitable[bool]],
        observed: Observed,
    ) -> None:
        self._config = config
        self._keys = keys
        self._pool = pool
        self._sessions = sessions
        self._limits = limits
        self._usage = usage
        self._clock = clock
        self._is_ready = is_ready
        self._observed = observed
        self._paths = frozenset(config.proxy_paths)
        self._public_methods = frozenset(config.public_methods)
        self._origins = Origins(
            bind_host=config.host,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
        )
        authorization = config.upstream_authorization
        self._identity = UpstreamIdentity(
            host=pool.upstream.host, authorization=authorization.encode("latin-1") if authorization else None
        )
        self.streams = OpenStreams(self._is_still_good)
        self._finishing: set[asyncio.Task[None]] = set()
        self._active = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        started = self._clock.monotonic()
        origin = None
        reason = "forwarded"
        try:
            incoming = read_head(request, self._origins)
            origin = incoming.origin
            answer = await self._route(request, incoming)
        except Refused as refused:
            reason = refused.deny.reason
            answer = answers.refusal(refused.deny, refused.id)
            if not request.content.is_eof():
                # What is left of the body is not worth reading.
                answer.force_close()
            self._allow_origin(answer.headers, origin)
        self._observed.answered(request.method, answer.status, reason, self._clock.monotonic() - started)
        return answer

    async def drain(self, deadline: float) -> None:
        """Cut the streams and wait, up to `deadline` seconds, for calls whose client has gone."""
        await self.streams.close()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=deadline)
        for task in self._finishing:
            task.cancel()

    async def _route(self, request: web.BaseRequest, incoming: Incoming) -> web.StreamResponse:
        if incoming.path in self._paths:
            return await self._serve_endpoint(request, incoming)
        if incoming.path == "/healthz" and incoming.method in ("GET", "HEAD"):
            return web.json_response({"status": "alive"})
        if incoming.path == "/readyz" and incoming.method in ("GET", "HEAD"):
            ready = await self._is_ready()
            return web.json_response({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)
        raise Refused(answers.NOT_FOUND)

    async def _serve_endpoint(self, request: web.BaseRequest, incoming: Incoming) -> web.StreamResponse:
        if incoming.method == "OPTIONS":
            return self._preflight(incoming)
        if incoming.method == "HEAD":
            return web.Response(status=200, content_type="application/json")
        if incoming.method not in ("POST", "GET", "DELETE"):
            return answers.method_not_allowed()
        if self._active >= self._config.max_concurrent_requests:
            raise Refused(answers.OVERLOADED)
        self._active += 1
        try:
            if incoming.method == "POST":
                return await self._post(request, incoming)
            return await self._get_or_delete(request, incoming)
        finally:
            self._active -= 1

    async def _post(self, request: web.BaseRequest, incoming: Incoming) -> web.StreamResponse:
        body_bytes = await read_body(
            request,
            incoming,
            max_bytes=self._config.max_request_bytes,
            timeout=self._config.request_body_timeout,
        )
        try:
            body = read_messages(body_bytes)
        except Unreadable as fault:
            raise Refused(invalid(str(fault), fault.code), fault.id) from None
        id_ = None if body.is_batch else body.messages[0].id
        try:
            principal = await self._decide(incoming, body)
            session = await self._admit(incoming, body, principal)
        except Refused as refused:
            raise Refused(refused.deny, id_) from None
        except RedisError:
            raise Refused(answers.KEYS_UNAVAILABLE, id_) from None
        calls = Calls(
            body.messages,
            self._caller(incoming, body.messages[0], principal, session),
            principal and principal.record,
            self._clock,
            meter,
        )
        try:
            answer = await self._send(b"POST", incoming, principal, body_bytes)
        except UpstreamError as failure:
            self._observed.upstream_failed(failure.phase)
            raise Refused(answers.upstream_failure(failure), id_) from None
        await self._note_new_session(incoming, body, principal, answer)
        return await self._relay(request, incoming, principal, answer, calls)

    async def _get_or_delete(self, request: web.BaseRequest, incoming: Incoming) -> web.StreamResponse:
        """The listening stream, or the end of a session: nothing of these is public."""
        credential = await self._credential(incoming)
        if isinstance(credential, Deny):
            raise Refused(credential)
        if refusal := address_refusal(credential.record, incoming.client_ip):
            raise Refused(refusal)
        try:
            session = await self._session(incoming, credential)
        except RedisError:
            raise Refused(answers.KEYS_UNAVAILABLE) from None
        caller = self._caller(incoming, None, credential, session)
        try:
            answer = await self._send(incoming.method.encode(), incoming, credential, b"")
        except UpstreamError as failure:
            self._observed.upstream_failed(failure.phase)
            raise Refused(answers.upstream_failure(failure)) from None
        calls = Calls((), caller, credential.record, self._clock, meter)
        return await self._relay(request, incoming, credential, answer, calls)

    # Who asks, and whether they may.

    async def _credential(self, incoming: Incoming) -> Principal | Deny:
        header = incoming.text(b"authorization")
        if header is None:
            return NO_KEY
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return bad_key("scheme")
        try:
            key = ApiKey.parse(token.strip(" "))
        except MalformedKey:
            return bad_key("malformed")
        try:
            record = await self._keys.authenticate(key)
        except KeysUnavailable:
            return answers.KEYS_UNAVAILABLE
        if record is None:
            return bad_key("unknown")
        status = record.status(self._clock.now_ms())
        return Principal(key, record) if status == "active" else bad_key(status)

    async def _is_still_good(self, key: ApiKey) -> bool:
        try:
            record = await self._keys.authenticate(key)
        except KeysUnavailable:
            return False
        return record is not None and record.status(self._clock.now_ms()) == "active"

    async def _decide(self, incoming: Incoming, body: Body) -> Principal | None:
        credential = await self._credential(incoming)
        facts = Facts(
            public_methods=self._public_methods,
            client_ip=incoming.client_ip,
            mcp_method=incoming.text(b"mcp-method"),
            mcp_name=incoming.text(b"mcp-name"),
            tables_in_arguments=tables_in_arguments,
        )
        decision = decide(body, credential if isinstance(credential, Deny) else credential.record, facts)
        if isinstance(decision, Deny):
            raise Refused(decision)
        return credential if isinstance(credential, Principal) and decision.principal is not None else None

    async def _admit(self, incoming: Incoming, body: Body, principal: Principal | None) -> Session:
        """Spend what the request costs, and find its session. Raises `Refused` and `redis.RedisError`."""
        if principal is None:
            if body.messages[0].method == "initialize" and not await self._sessions.may_open(incoming.client_ip):
                raise Refused(answers.TOO_MANY_HANDSHAKES)
            return _NOBODY
        requests = sum(message.kind == "request" for message in body.messages)
        calls = sum(message.method == "tools/call" for message in body.messages)
        if refusal := await self._limits.spend(principal.record, requests=requests, calls=calls):
            raise Refused(refusal)
        self._keys.used(principal.record.key_id)
        return await self._session(incoming, principal)

    async def _session(self, incoming: Incoming, principal: Principal) -> Session:
        session_id = incoming.text(b"mcp-session-id")
        if session_id is None:
            return _NOBODY
        if len(session_id) > MAX_SESSION_ID:
            raise Refused(answers.NO_SUCH_SESSION)
        session = await self._sessions.claim(session_id, principal.record.owner)
        if session is None:
            raise Refused(answers.NO_SUCH_SESSION)
        return session

    async def _note_new_session(
        self, incoming: Incoming, body: Body, principal: Principal | None, answer: UpstreamConnection
    ) -> None:
        message = body.messages[0]
        if message.method != "initialize":
            return
        session_id = _field(answer, b"mcp-session-id")
        if not session_id or len(session_id) > MAX_SESSION_ID:
            return
        name, version = _client_of(message)
        session = Session(principal.record.owner if principal else "", name, version)
        try:
            await self._sessions.opened(session_id, session, incoming.client_ip)
        except RedisError:
            self._pool.release(answer)
            raise Refused(answers.KEYS_UNAVAILABLE, message.id) from None

    def _caller(
        self, incoming: Incoming, message: Message | None, principal: Principal | None, session: Session
    ) -> Caller:
        name, version = _client_of(message)
        if not name:
            name, version = session.client_name, session.client_version
        if not name:
            name, _, version = (incoming.text(b"user-agent") or "").partition(" ")[0].partition("/")
        record = principal.record if principal else None
        return Caller(
            key_id=record.key_id if record else "",
            key_name=record.key_name if record else "",
            owner=record.owner if record else "",
            client_name=name,
            client_version=version,
            session_id=incoming.text(b"mcp-session-id") or "",
            protocol_version=incoming.text(b"mcp-protocol-version") or session.protocol_version,
            client_ip=incoming.client_ip,
            gateway_id=self._config.gateway_id,
        )

    # To the upstream and back.

    async def _send(
        self, method: bytes, incoming: Incoming, principal: Principal | None, body: bytes
    ) -> UpstreamConnection:
        forwards_identity = self._config.forward_identity and principal is not None
        client = Client(
            address=incoming.client_ip,
            scheme=incoming.scheme,
            host=incoming.host,
            key_id=principal.record.key_id if forwards_identity and principal else None,
            owner=principal.record.owner if forwards_identity and principal else None,
        )
        headers = upstream_headers(incoming.headers, self._identity, client)
        return await self._pool.send(method, self._pool.upstream.target(incoming.query), headers, body)

    async def _relay(
        self,
        request: web.BaseRequest,
        incoming: Incoming,
        principal: Principal | None,
        answer: UpstreamConnection,
        calls: Calls,
    ) -> web.StreamResponse:
        relay = Relay(answer, calls, lambda events: self._record(principal, events))
        headers = CIMultiDict(client_headers(answer.headers))
        self._allow_origin(headers, incoming.origin)
        is_handed_over = False
        try:
            if relay.is_event_stream:
                with self.streams.opened(
                    principal.key if principal else None, is_listening=incoming.method == "GET"
                ):
                    return await _stream(request, web.StreamResponse(headers=headers), answer, relay, b"")
            first = await relay.next()
            if relay.is_over:
                return _whole(answer, headers, first)
            return await _stream(request, web.StreamResponse(headers=headers), answer, relay, first)
        except UpstreamError as failure:
            self._observed.upstream_failed(failure.phase)
            raise Refused(answers.upstream_failure(failure)) from None
        except (asyncio.CancelledError, ConnectionError):
            is_handed_over = self._finish_without_client(incoming, answer, calls, relay)
            raise
        finally:
            if not is_handed_over:
                self._pool.release(answer)

    def _finish_without_client(
        self, incoming: Incoming, answer: UpstreamConnection, calls: Calls, relay: Relay
    ) -> bool:
        """Let a call go on whose client has gone, to be counted; where closing the stream means to cancel, do not."""
        version = incoming.text(b"mcp-protocol-version") or ""
        if not calls.is_waiting_for_result or version >= _FIRST_WITHOUT_SESSIONS:
            return False
        if len(self._finishing) >= _MAX_FINISHING:
            return False

        async def finish() -> None:
            try:
                with contextlib.suppress(UpstreamError):
                    await relay.finish()
            finally:
                self._pool.release(answer)

        task = asyncio.get_running_loop().create_task(finish())
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return True

    async def _record(self, principal: Principal | None, events: list[UsageEvent]) -> None:
        """Returns when the events are safe."""
        for event in events:
            await self._usage.append(event)
        if principal is not None and principal.record.records_per_day is not None:
            try:
                await self._limits.settle(principal.record, sum(event.record_count or 0 for event in events))
            except RedisError:
                log.warning("records of a call were not added to its key's daily quota: Redis did not answer")

    # Browsers.

    def _preflight(self, incoming: Incoming) -> web.Response:
        answer = web.Response(status=204, headers={"Allow": answers.METHODS})
        self._allow_origin(answer.headers, incoming.origin)
        if incoming.origin is not None:
            answer.headers["Access-Control-Allow-Methods"] = answers.METHODS
            answer.headers["Access-Control-Allow-Headers"] = (
                "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name,"
                " Last-Event-ID"
            )
            answer.headers["Access-Control-Max-Age"] = "7200"
        return answer

    def _allow_origin(self, headers: CIMultiDict[str], origin: str | None) -> None:
        if origin is None or not self._origins.is_origin_allowed(origin):
            return
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
        headers.add("Vary", "Origin")


async def _stream(
    request: web.BaseRequest,
    response: web.StreamResponse,
    answer: UpstreamConnection,
    relay: Relay,
    first: bytes,
) -> web.StreamResponse:
    """Pass an answer on piece by piece. What broke off upstream breaks off here: it is never made to look whole."""
    response.set_status(answer.status, answer.reason)
    length = _field(answer, b"content-length")
    if length and not relay.may_change:
        response.content_length = int(length)
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        while piece := await relay.next():
            await response.write(piece)
    except UpstreamError as failure:
        log.warning("an answer broke off: %s", failure)
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _whole(answer: UpstreamConnection, headers: CIMultiDict[str], body: bytes) -> web.Response:
    response = web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body or None)
    return response


def _field(answer: UpstreamConnection, name: bytes) -> str:
    return next((value.decode("latin-1") for field, value in answer.headers if field.lower() == name), "")


def _client_of(message: Message | None) -> tuple[str, str]:
    """Name and version of the client, as `initialize` or a request of 2026-07-28 tells them; empty where it does not."""
    if message is None:
        return "", ""
    info: Any = message.meta(_CLIENT_INFO)
    if info is None and message.method == "initialize" and isinstance(message.params, dict):
        info = message.params.get("clientInfo")
    if not isinstance(info, dict):
        return "", ""
    name, version = info.get("name"), info.get("version")
    return (name if isinstance(name, str) else ""), (version if isinstance(version, str) else "")
