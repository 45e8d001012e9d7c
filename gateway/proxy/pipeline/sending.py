"""Sends requests to the upstream and waits for the head of the response."""

from __future__ import annotations

import asyncio

from gateway.proxy.accounting.correlation import Correlation
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.admission.admitted_request import AdmittedRequest
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import RequestRejected, upstream_failed
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import RefusedError, UpstreamError
from gateway.proxy.upstream.pool import UpstreamPool


class UpstreamSender:
    """Sends requests to the upstream. Nothing is ever sent twice."""

    def __init__(
        self, pool: UpstreamPool, correlation: Correlation, detached_calls: DetachedCalls, metrics: ProxyMetricsSink
    ) -> None:
        self._pool = pool
        self._correlation = correlation
        self._detached_calls = detached_calls
        self._metrics = metrics

    async def send(self, head: bytes, request: AdmittedRequest, exchange: Exchange, permit: Permit) -> SentRequest:
        """Send a request with this head and wait for the head of its response. Raises `RequestRejected`.

        The permit is released when the request has ended upstream, and cancelled if it was not sent.
        """
        body = request.body if request.head.method == "POST" else None
        try:
            connection = await self._pool.send_request(head, body)
        except BaseException as error:
            permit.cancel()
            self._correlation.abandon(exchange)
            if isinstance(error, UpstreamError):
                raise self.counted_rejection(error) from None
            raise
        connection.on_released = permit.release
        sent = SentRequest(request, connection, exchange)
        await self.wait_for_head(sent)
        return sent

    async def wait_for_head(self, sent: SentRequest) -> None:
        """Wait for the head of the response. Raises `RequestRejected`; after any exception, the connection is released.

        When the task is cancelled, because the client disconnected, the call may go on detached.
        """
        try:
            await self._pool.wait_for_head(sent.connection)
        except BaseException as failure:
            if not isinstance(failure, asyncio.CancelledError) or not self._detached_calls.detach(sent):
                self.release(sent.connection)
            if isinstance(failure, RefusedError):
                # No response to its calls will come on another stream.
                await self._correlation.withdraw(sent.exchange)
            if isinstance(failure, UpstreamError):
                raise self.counted_rejection(failure) from None
            raise

    def client_disconnected(self, sent: SentRequest) -> None:
        """Let a call go on detached whose client disconnected before the response began; otherwise end it."""
        if not self._detached_calls.detach(sent):
            self.release(sent.connection)

    def release(self, connection: UpstreamConnection) -> None:
        """Give a connection back to the pool, which closes it unless its response is complete."""
        self._pool.release(connection)

    def counted_rejection(self, error: UpstreamError) -> RequestRejected:
        """Count a failure of the upstream, and return what to raise for the client: 502 or 504."""
        self._metrics.upstream_failed(error.phase)
        return RequestRejected(upstream_failed(error.status, error.phase, str(error)))
