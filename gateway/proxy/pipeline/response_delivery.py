"""Delivers the response of the upstream to the client.

The rules:

- A response that is incomplete upstream stays incomplete for the client: it is never made to look complete.
- A response whose usage cannot be made durable is not delivered completely.
- When the client disconnects, a call may go on detached (`gateway.proxy.pipeline.detached_calls`).
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from gateway.protocol.buffers import Chunk
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.admission.headers import client_headers
from gateway.proxy.admission.rejections import CORRELATION_UNAVAILABLE, USAGE_UNAVAILABLE, RequestRejected
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.request_context import ClientDisconnected, ResponseWriter
from gateway.proxy.downstream.response import Response, ResponseHead, serialize_head
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.open_streams import OpenStreams
from gateway.proxy.pipeline.response_stream import ResponseStream, ResponseStreams, RewriteEndpoint
from gateway.proxy.pipeline.sending import UpstreamSender
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
    ) -> None:
        self._streams = streams
        self._open_streams = open_streams
        self._sender = sender
        self._detached_calls = detached_calls
        self._metrics = metrics

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
        stream = self._streams.open(connection, sent.exchange, rewrite_endpoint)
        stream.may_reject = not sent.request.is_batch and not is_listening
        is_detached = False
        try:
            response_head = downstream_head(connection, sent.request.head.origin).head
            principal = sent.request.principal
            if connection.response.is_event_stream and principal is not None:
                with self._open_streams.registered(principal, is_listening=is_listening):
                    await self._stream(writer, connection, response_head, stream)
                return None
            first = await stream.next_chunk()
            if stream.is_ended and not connection.response.trailers:
                return Response(head=response_head, body=first)
            await self._stream(writer, connection, response_head, stream, first)
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

    async def _stream(
        self,
        writer: ResponseWriter,
        connection: UpstreamConnection,
        response_head: ResponseHead,
        stream: ResponseStream,
        first: Chunk = b"",
    ) -> None:
        """Send the response as it arrives. An incomplete one gets no end, so that it cannot look complete."""
        writer.begin(response_head, None if stream.may_redact else connection.response.content_length)
        try:
            if not (first or connection.is_readable):
                stream.may_reject = False
                await writer.flush()
            chunk = first or await stream.next_chunk()
            stream.may_reject = False
            while chunk and not stream.is_ended:
                await writer.write(chunk)
                chunk = await stream.next_chunk()
        except (UpstreamError, SpoolFull, CorrelationUnavailable) as error:
            if writer.status == 0:
                raise
            log.warning("a response ended early: %s", error)
            if isinstance(error, UpstreamError):
                self._metrics.upstream_failed(error.phase)
            return
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
        _response_head(response, origin),
        response.is_event_stream,
        is_usual=status not in REFUSALS and len(session_ids(headers)) <= 1,
    )
    connection.head_cache = made
    return made


def _response_head(response: ResponseParser, origin: bytes | None) -> ResponseHead:
    fields = client_headers(response.headers, response.status) + cors_headers(origin)
    if response.is_event_stream:
        # nginx in front of the gateway would buffer the events.
        fields.append((b"X-Accel-Buffering", b"no"))
    return serialize_head(response.status, response.reason, fields)
