"""A call on the fast path, from its admission to its end: what each of its stages needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from gateway.keys.record import KeyRecord
from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.admitted_request import AdmittedRequest, Caller
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.gateway_responses import deny_response
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.downstream.response import CONNECTION_CLOSE, Response, serialize_response
from gateway.proxy.services import ProxyServices


class PreparedResponse(NamedTuple):
    """A response that is ready to be sent."""

    response: Response
    header_lines: bytes
    """Further lines of its head."""
    deny: Deny | None
    """The rejection that it is; `None` for a response of the upstream."""
    serialized: tuple[Chunk, ...]


class ReceivedCall(msgspec.Struct, frozen=True):
    """A call that was admitted, its limits aside. It has a place in the worker's concurrency limit until it ends."""

    services: ProxyServices
    client: ClientConnection
    request: AdmittedRequest
    caller: Caller
    upstream_head: bytes
    started: float
    """Monotonic time at which the request was received."""

    @property
    def record(self) -> KeyRecord:
        """The record of the key."""
        principal = self.request.principal
        assert principal is not None
        return principal.record

    @property
    def tool(self) -> str:
        """The tool that is called; empty if the call names none."""
        return self.request.messages[0].tool or ""

    def prepare_rejection(self, deny: Deny, header_lines: bytes) -> PreparedResponse:
        """Return the response to the call if it is rejected."""
        cors = cors_headers(self.request.head.origin)
        response = deny_response(deny, self.request.messages[0].id, cors=cors)
        return PreparedResponse(response, header_lines, deny, serialize_response(response, header_lines))

    def send(self, prepared: PreparedResponse) -> None:
        """Send the response, and end the call."""
        serialized = prepared.serialized
        if self.client.is_stopping:
            serialized = serialize_response(prepared.response, prepared.header_lines + CONNECTION_CLOSE)
        self.client.finish(*serialized)
        reason, deny = "forwarded", prepared.deny
        if deny is not None:
            reason = deny.reason
            self.services.denials.count(deny, self.record, self.tool)
        self.end(prepared.response.head.status, reason)

    def end(self, status: int, reason: str) -> None:
        """Release the place in the concurrency limit, and count the response."""
        services = self.services
        services.concurrency.release("request")
        services.metrics.answered("POST", status, reason, services.accounting.clock.monotonic() - self.started)

    @contextlib.contextmanager
    def on_general_path(self, writer: ResponseWriter, header_lines: bytes) -> Iterator[None]:
        """Continue on the general path, which counts the response; a rejection gets the id of the call."""
        writer.context.header_lines = header_lines
        try:
            yield
        except RequestRejected as rejected:
            id_ = self.request.messages[0].id
            raise RequestRejected(rejected.deny, id_, key=self.record, tool=self.tool) from None
        finally:
            self.services.concurrency.release("request")
