"""Delivers the response of the upstream to the client.

The rules:

- A response that is incomplete upstream stays incomplete for the client: it is never made to look complete.
- A response whose usage cannot be made durable is not delivered completely.
- When the client disconnects, a call may go on detached (`gateway.proxy.pipeline.detached_calls`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import msgspec

from gateway.protocol.buffers import Chunk
from gateway.protocol.content_coding import content_coding
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.admission.headers import RawHeaders, client_headers
from gateway.proxy.admission.rejections import CORRELATION_UNAVAILABLE, USAGE_UNAVAILABLE, RequestRejected
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.request_context import ClientDisconnected, ResponseWriter
from gateway.proxy.downstream.response import Response, ResponseHead, serialize_head
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.open_streams import OpenStreams
from gateway.proxy.pipeline.pings import PingedStream
from gateway.proxy.pipeline.sending import UpstreamSender
from gateway.proxy.pipeline.streams.event_stream import RewriteEndpoint
from gateway.proxy.pipeline.streams.opening import ResponseStreams
from gateway.proxy.pipeline.streams.response_stream import ResponseStream
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import UpstreamError
from gateway.proxy.upstream.response_check import REFUSALS, session_ids
from gateway.proxy.upstream.response_parser import ResponseParser
from gateway.usage.producer.spool import SpoolFull

log = logging.getLogger(__name__)


class ResponseDelivery:
    """Delivers responses."""

    def __init__(
        self,
        streams: ResponseStreams,
        open_streams: OpenStreams,
        *,
        sender: UpstreamSender,
        detached_calls: DetachedCalls,
        metrics: ProxyMetricsSink,
        ping_seconds: float,
    ) -> None:
        """`ping_seconds`: the silence after which an event stream gets a ping; 0: never."""
        self._streams = streams
        self._open_streams = open_streams
        self._sender = sender
        self._detached_calls = detached_calls
        self._metrics = metrics
        self._ping_seconds = ping_seconds

    async def deliver(
        self,
        writer: ResponseWriter,
        sent: SentRequest,
        *,
        is_listening: bool = False,
        rewrite_endpoint: RewriteEndpoint | None = None,
    ) -> Response | None:
        """Deliver the response whose head has arrived: return it, or stream it to the client and return `None`.

        Releases the connection. `is_listening`: the stream ends only when one side closes it. Raises `RequestRejected`
        while nothing was sent to the client.
        """
        connection = sent.connection
        stream = self._open(sent, rewrite_endpoint)
        stream.may_reject = not sent.request.is_batch and not is_listening
        is_detached = False
        try:
            if connection.response.is_event_stream:
                principal = sent.request.principal
                registered = self._open_streams.registered
                with registered(principal, is_listening=is_listening) if principal else contextlib.nullcontext():
                    await self._stream(writer, sent, stream)
                return None
            first = await stream.next_chunk()
            if stream.is_ended and not connection.response.trailers:
                return Response(head=_response_head(sent, stream), body=first)
            await self._stream(writer, sent, stream, first)
            return None
        except UpstreamError as error:
            raise self._sender.counted_rejection(error) from None
        except SpoolFull:
            raise RequestRejected(USAGE_UNAVAILABLE) from None
        except CorrelationUnavailable:
            raise RequestRejected(CORRELATION_UNAVAILABLE) from None
        except (asyncio.CancelledError, ClientDisconnected):
            is_detached = self._detached_calls.detach(sent, stream)
            raise
        finally:
            if not is_detached:
                self._sender.release(connection)

    def _open(self, sent: SentRequest, rewrite_endpoint: RewriteEndpoint | None) -> ResponseStream:
        try:
            return self._streams.open(sent.connection, sent.exchange, rewrite_endpoint)
        except UpstreamError as error:
            self._sender.release(sent.connection)
            raise self._sender.counted_rejection(error) from None

    async def _stream(
        self, writer: ResponseWriter, sent: SentRequest, stream: ResponseStream, first: Chunk = b""
    ) -> None:
        """Send the response as it arrives. An incomplete one gets no end, so that it cannot look complete."""
        connection = sent.connection
        is_event_stream = connection.response.is_event_stream
        # Even a stream that is passed on may have events for others, which a limited key does not get.
        may_change = stream.may_redact or stream.is_decoded or (is_event_stream and sent.exchange.is_restricted)
        length = None if may_change else connection.response.content_length
        writer.begin(_response_head(sent, stream), length)
        # Pings would not fit into a stated length.
        is_pinged = is_event_stream and length is None
        pinged = PingedStream(stream, writer, self._ping_seconds if is_pinged else 0)
        try:
            if not (first or connection.is_readable):
                stream.may_reject = False
                await writer.flush()
            chunk = first or await pinged.next_chunk()
            stream.may_reject = False
            while chunk and not stream.is_ended:
                await writer.write(chunk)
                chunk = await pinged.next_chunk()
        except (UpstreamError, SpoolFull, CorrelationUnavailable) as error:
            if writer.status == 0:
                raise
            log.warning("a response ended early: %s", error)
            if isinstance(error, UpstreamError):
                self._metrics.upstream_failed(error.phase)
            return
        finally:
            pinged.close()
        await writer.end(chunk, client_headers(connection.response.trailers))


class DownstreamHead(msgspec.Struct, frozen=True):
    """The head of the response to the client, made from the head of an upstream response."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    origin: bytes | None
    """With the fields above, what the head was made from."""
    head: ResponseHead
    is_event_stream: bool
    is_usual: bool
    """False if the response must be checked or decoded on the general path."""


def downstream_head(connection: UpstreamConnection, origin: bytes | None) -> DownstreamHead:
    """Return the response head for a client of this origin, cached for the next response with the same head."""
    response = connection.response
    status, reason, headers = response.status, response.reason, response.headers
    cached = connection.head_cache
    if (
        isinstance(cached, DownstreamHead)
        and cached.headers == headers
        and cached.status == status
        and cached.reason == reason
        and cached.origin == origin
    ):
        return cached
    made = DownstreamHead(
        status,
        reason,
        headers,
        origin,
        _serialize_head(response, headers, origin),
        response.is_event_stream,
        is_usual=status not in REFUSALS and len(session_ids(headers)) <= 1 and not content_coding(headers),
    )
    connection.head_cache = made
    return made


def _response_head(sent: SentRequest, stream: ResponseStream) -> ResponseHead:
    origin = sent.request.head.origin
    if not stream.is_decoded:
        return downstream_head(sent.connection, origin).head
    response = sent.connection.response
    return _serialize_head(response, [field for field in response.headers if not content_coding([field])], origin)


def _serialize_head(response: ResponseParser, headers: RawHeaders, origin: bytes | None) -> ResponseHead:
    fields = client_headers(headers, response.status) + cors_headers(origin)
    if response.is_event_stream:
        # nginx in front of the gateway would buffer the events.
        fields.append((b"X-Accel-Buffering", b"no"))
    return serialize_head(response.status, response.reason, fields)
