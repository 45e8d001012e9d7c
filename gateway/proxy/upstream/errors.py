"""Errors of the upstream, one class per phase, as httpcore has them."""

from __future__ import annotations


class UpstreamError(Exception):
    """The upstream did not give a complete response. The message may be shown to a client."""

    phase = "answer"
    """Label of the phase in metrics and in deny reasons."""
    status = 502
    """HTTP status that the client is sent."""


class ConnectError(UpstreamError):
    """No connection was established: refused, unreachable, unresolvable name, or TLS failure."""

    phase = "connect"


class ConnectTimeoutError(ConnectError):
    """No connection was established within the connect time-out."""

    status = 504


class FirstByteTimeoutError(UpstreamError):
    """The request was sent, and no response head arrived within the first-byte time-out."""

    phase = "first_byte"
    status = 504


class IdleTimeoutError(UpstreamError):
    """The response began, and then nothing more arrived within the idle time-out."""

    phase = "idle"
    status = 504


class RefusedError(UpstreamError):
    """The response refuses the gateway itself, not the request of its client: a redirect, or a demand for credentials.

    It must not reach the client.
    """

    phase = "refused"


class ResponseError(UpstreamError):
    """The response ended early, or is not strict HTTP/1.1."""
