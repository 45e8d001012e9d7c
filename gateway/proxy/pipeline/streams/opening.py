"""Opens the stream of a response by its content type and its content coding."""

from __future__ import annotations

from gateway.protocol.content_coding import content_coding
from gateway.proxy.accounting.correlation import Correlation, RecordUsage
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.pipeline.streams.body_stream import BodyStream
from gateway.proxy.pipeline.streams.encoded_streams import (
    DecodedBody,
    EncodedBodyStream,
    EncodedEventStream,
    UndecodableResponse,
    UninspectedStream,
)
from gateway.proxy.pipeline.streams.event_stream import EventStream, RewriteEndpoint
from gateway.proxy.pipeline.streams.response_stream import ResponseSource, ResponseStream, UsageServices


class ResponseStreams:
    """Opens response streams."""

    def __init__(self, record: RecordUsage, correlation: Correlation) -> None:
        self._services = UsageServices(record, correlation)

    def open(
        self, source: ResponseSource, exchange: Exchange, rewrite_endpoint: RewriteEndpoint | None = None
    ) -> ResponseStream:
        """Return the stream of a response whose head has arrived.

        Raises `UndecodableResponse` if its content coding is unknown and the key is limited to tools or tables.
        """
        response = source.response
        if coding := content_coding(response.headers):
            return self._open_encoded(coding, source, exchange, rewrite_endpoint)
        # Some clients read the response to any GET as events, whatever its type.
        may_be_events = rewrite_endpoint is not None and "json" not in response.header(b"content-type").lower()
        if response.is_event_stream or may_be_events:
            return EventStream(self._services, source, exchange, rewrite_endpoint)
        return BodyStream(self._services, source, exchange)

    def _open_encoded(
        self, coding: str, source: ResponseSource, exchange: Exchange, rewrite_endpoint: RewriteEndpoint | None
    ) -> ResponseStream:
        is_event_stream = source.response.is_event_stream
        services = self._services
        if not (exchange.needs_inspection or (is_event_stream and rewrite_endpoint is not None)):
            return UninspectedStream(services, source, exchange)
        try:
            body = DecodedBody(source, coding)
        except UndecodableResponse:
            if exchange.is_restricted:
                raise
            return UninspectedStream(services, source, exchange)
        if not is_event_stream:
            return EncodedBodyStream(services, body, source, exchange)
        if exchange.may_redact or rewrite_endpoint is not None:
            stream = EventStream(services, body, exchange, rewrite_endpoint)
            stream.is_decoded = True
            return stream
        return EncodedEventStream(services, body, source, exchange)
