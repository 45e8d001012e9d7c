"""To the upstream and back: the request with its headers rebuilt, the answer piece by piece, the usage made safe.

The rules:

- What broke off upstream breaks off here: it is never made to look whole.
- An answer whose usage can be made safe nowhere is not given out whole.
- When a client goes, a call of a session goes on and is counted, until the client comes back for its stream; a
  listening stream, and a call of a revision in which closing the stream means to cancel (2026-07-28), is ended
  upstream. A handshake goes on, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec
from redis.exceptions import RedisError

from gateway.keys.record import KeyRecord
from gateway.protocol.buffers import Chunk
from gateway.proxy.accounting.correlation import Correlation, CorrelationUnavailable
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission import rejections
from gateway.proxy.admission.head import Principal, RequestHead, UpstreamHead
from gateway.proxy.admission.headers import Client, UpstreamIdentity, client_headers, upstream_headers
from gateway.proxy.admission.limits import Limits
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.admission.sessions import Session
from gateway.proxy.downstream import responses
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.downstream.response import Response, ResponseHead, head
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.open_streams import OpenStreams
from gateway.proxy.pipeline.response_stream import OpenEndpoint, ResponseStream
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import UpstreamError
from gateway.proxy.upstream.pool import UpstreamAddress, UpstreamPool, request_head
from gateway.usage.event import UsageEvent
from gateway.usage.producer.batch import OnDurable
from gateway.usage.producer.spool import SpoolFull
from gateway.usage.producer.stream import UsageStream

log = logging.getLogger(__name__)

_FIRST_WITHOUT_SESSIONS = "2026-07-28"


class Forwarding:
    """Sends requests upstream and brings their answers back."""

    def __init__(
        self,
        pool: UpstreamPool,
        *,
        authorization: str | None,
        forward_identity: bool,
        streams: OpenStreams,
        usage: UsageStream,
        limits: Limits,
        elsewhere: Correlation,
        departed: DetachedCalls,
        observed: ProxyMetricsSink,
    ) -> None:
        self._pool = pool
        self._identity = UpstreamIdentity(
            host=pool.address.host, authorization=authorization.encode("latin-1") if authorization else None
        )
        self._forward_identity = forward_identity
        self._streams = streams
        self._usage = usage
        self._limits = limits
        self._elsewhere = elsewhere
        self._departed = departed
        self._observed = observed

    async def send(
        self, incoming: RequestHead, principal: Principal | None, session: Session, body: bytes, calls: PendingCalls
    ) -> UpstreamConnection:
        """Send a request and wait for the head of its answer. Raises `RequestRejected`."""
        head = self._head_of(incoming, principal, session)
        try:
            answer = await self._pool.send_request(head, body if incoming.method == "POST" else None)
        except UpstreamError as failure:
            raise self._failed(failure) from None
        await self.wait_for_head(incoming, answer, calls)
        return answer

    def send_at_once(
        self, incoming: RequestHead, principal: Principal, session: Session, body: bytes
    ) -> UpstreamConnection | None:
        """Send a POST on a connection at rest; `None` where there is none, and nothing was sent."""
        try:
            return self._pool.try_send(self._head_of(incoming, principal, session), body)
        except UpstreamError:
            return None

    async def wait_for_head(self, incoming: RequestHead, answer: UpstreamConnection, calls: PendingCalls) -> None:
        """Wait for the head of the answer to what was sent. Raises `RequestRejected`; then it is nobody's any more."""
        try:
            await answer.wait_for_head()
        except BaseException as failure:
            if not isinstance(failure, asyncio.CancelledError) or not self._finish_without_client(
                incoming, answer, calls
            ):
                self._pool.release(answer)
            if isinstance(failure, UpstreamError):
                raise self._failed(failure) from None
            raise

    def leave(self, incoming: RequestHead, answer: UpstreamConnection, calls: PendingCalls) -> None:
        """The client has gone while the answer to what was sent had not come."""
        if not self._finish_without_client(incoming, answer, calls):
            self._pool.release(answer)

    def append_then(self, event: UsageEvent, then: OnDurable, *, is_alone: bool) -> None:
        """Have `then` called when the event is safe, or with a `SpoolFull`; sooner for a call that is alone."""
        self._usage.append_callback(event, then, is_alone=is_alone)

    def _head_of(self, incoming: RequestHead, principal: Principal | None, session: Session) -> bytes:
        """The head that goes upstream, remembered for the next request with the same one."""
        named = principal.record if principal is not None and self._forward_identity else None
        made = incoming.upstream_head
        if made is None or made.named is not named or made.endpoint != session.endpoint:
            made = UpstreamHead(named, session.endpoint, self._head(incoming, named, session))
            incoming.upstream_head = made
        return made.text

    def _head(self, incoming: RequestHead, named: KeyRecord | None, session: Session) -> bytes:
        client = Client(
            address=incoming.client_ip,
            scheme=incoming.scheme,
            host=incoming.host,
            key_id=named.key_id if named else None,
            owner=named.owner if named else None,
        )
        headers = upstream_headers(incoming.headers, self._identity, client)
        if not session.endpoint:
            target = self._pool.address.request_target(incoming.query)
        else:
            # What the upstream itself named; of the client's query it was seen to be the same.
            target = session.endpoint.encode("ascii") + (b"?" + incoming.query if session.endpoint_query else b"")
        return request_head(incoming.method.encode("latin-1"), target, headers)

    async def to_the_end(self, work: Coroutine[Any, Any, UpstreamConnection]) -> UpstreamConnection:
        """Do what must not stop halfway: when the client goes, it goes on, and its answer is given up."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not self._departed.go_on(self._give_up_answer_of(task)):
                task.cancel()
            raise

    @property
    def upstream(self) -> UpstreamAddress:
        """Where requests go."""
        return self._pool.address

    def give_up(self, answer: UpstreamConnection) -> None:
        """Drop an answer that is not brought back."""
        self._pool.release(answer)

    async def bring_back(
        self,
        exchange: RequestContext,
        incoming: RequestHead,
        principal: Principal | None,
        answer: UpstreamConnection,
        calls: PendingCalls,
        *,
        is_listening: bool,
        open_endpoint: OpenEndpoint | None = None,
    ) -> Response | None:
        """Pass the answer on to the client, with `calls` listening.

        Raises `RequestRejected` while nothing has gone out.

        `is_listening` says that the client asked for a stream that has no end of its own.
        """
        relay = self._relay(answer, calls, open_endpoint)
        head = client_head(answer, incoming.origin).head
        is_handed_over = False
        try:
            if relay.is_event_stream and principal is not None:
                self._streams.open(principal.key, is_listening=is_listening)
                try:
                    await self._stream(exchange, answer, head, relay, b"")
                finally:
                    self._streams.end(principal.key)
                return None
            first = await relay.next()
            if relay.is_over and not answer.trailers:
                return Response(head=head, body=first)
            await self._stream(exchange, answer, head, relay, first)
            return None
        except UpstreamError as failure:
            raise self._failed(failure) from None
        except SpoolFull:
            raise RequestRejected(rejections.USAGE_UNAVAILABLE) from None
        except CorrelationUnavailable:
            raise RequestRejected(rejections.CORRELATION_UNAVAILABLE) from None
        except (asyncio.CancelledError, ConnectionError):
            is_handed_over = self._finish_without_client(incoming, answer, calls, relay)
            raise
        finally:
            if not is_handed_over:
                self._pool.release(answer)

    async def make_way(self, calls: PendingCalls) -> None:
        """A client has come back for a stream of its session: let go of the calls that go on there without it."""
        if calls.scope is not None and calls.has_session:
            await self._departed.let_go(calls.scope)

    async def _stream(
        self,
        exchange: RequestContext,
        answer: UpstreamConnection,
        head: ResponseHead,
        relay: ResponseStream,
        first: Chunk,
    ) -> None:
        """Pass the answer on as it comes; what breaks off is not ended, so that it cannot look whole."""
        exchange.begin(head, None if relay.may_change else answer.content_length)
        try:
            if not (first or answer.is_readable):
                await exchange.flush()
            piece = first or await relay.next()
            while piece and not relay.is_over:
                await exchange.write(piece)
                piece = await relay.next()
        except (UpstreamError, SpoolFull, CorrelationUnavailable) as failure:
            if exchange.status == 0:
                raise
            log.warning("an answer was broken off: %s", failure)
            if isinstance(failure, UpstreamError):
                self._observed.upstream_failed(failure.phase)
            return
        await exchange.end(piece, client_headers(answer.trailers))

    def _relay(
        self, answer: UpstreamConnection, calls: PendingCalls, open_endpoint: OpenEndpoint | None = None
    ) -> ResponseStream:
        return ResponseStream(answer, calls, self._record, self._elsewhere, open_endpoint)

    def _finish_without_client(
        self,
        incoming: RequestHead,
        answer: UpstreamConnection,
        calls: PendingCalls,
        relay: ResponseStream | None = None,
    ) -> bool:
        """Whether the call goes on without its client; then the answer is no longer the caller's to release."""
        version = incoming.text(b"mcp-protocol-version") or ""
        if not calls.has_pending_results or version >= _FIRST_WITHOUT_SESSIONS:
            return False

        async def finish() -> None:
            try:
                with contextlib.suppress(UpstreamError, SpoolFull, CorrelationUnavailable):
                    await answer.wait_for_head()
                    await (relay or self._relay(answer, calls)).finish()
            finally:
                self._pool.release(answer)

        # Only what was noted can have shown the client an id to come back with.
        return self._departed.go_on(finish(), calls.scope if calls.registered and calls.has_session else None)

    async def _give_up_answer_of(self, task: asyncio.Task[UpstreamConnection]) -> None:
        with contextlib.suppress(RequestRejected):
            self.give_up(await task)

    async def _record(self, inspection: Inspection) -> None:
        """Returns when the events are safe. Raises `SpoolFull` where they can be made safe nowhere."""
        # What was taken, another worker may have taken before, and been killed.
        possibly_duplicate = bool(inspection.claimed)
        if len(inspection.events) == 1:
            await self._usage.append(inspection.events[0], possibly_duplicate=possibly_duplicate)
        else:
            await asyncio.gather(
                *(self._usage.append(event, possibly_duplicate=possibly_duplicate) for event in inspection.events)
            )
        try:
            for key_id, records in inspection.quota_records.items():
                await self._limits.settle(key_id, records)
        except RedisError:
            log.warning("the records of a call were not added to its key's daily quota: Redis did not answer")

    def _failed(self, failure: UpstreamError) -> RequestRejected:
        self._observed.upstream_failed(failure.phase)
        return RequestRejected(responses.upstream_failure(failure))


class ClientHead(msgspec.Struct, frozen=True):
    """The head that a client is sent for a head of the upstream's."""

    headers: list[tuple[bytes, bytes]]
    """The fields of the upstream's."""
    origin: bytes | None
    head: ResponseHead
    is_event_stream: bool


def client_head(answer: UpstreamConnection, origin: bytes | None) -> ClientHead:
    """The head that a client of this origin is sent, remembered for the next answer with the same one."""
    last = answer.head_cache
    if isinstance(last, ClientHead) and last.headers is answer.headers and last.origin == origin:
        return last
    made = head(answer.status, answer.reason, client_headers(answer.headers) + cors_headers(origin))
    known = ClientHead(answer.headers, origin, made, answer.is_event_stream)
    answer.head_cache = known
    return known
