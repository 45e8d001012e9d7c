"""What can go wrong between the gateway and the upstream, by phase."""

from __future__ import annotations


class UpstreamError(Exception):
    """The upstream gave no whole answer. The message is safe to show to a client."""

    phase = "answer"
    status = 502


class ConnectError(UpstreamError):
    """No connection came about: refused, unreachable, a name that does not resolve, a TLS failure."""

    phase = "connect"


class ConnectTimeoutError(ConnectError):
    """No connection came about in time."""

    status = 504


class FirstByteTimeoutError(UpstreamError):
    """The request was sent and nothing came back in time."""

    phase = "first_byte"
    status = 504


class IdleTimeoutError(UpstreamError):
    """The answer began and then nothing more came in time."""

    phase = "idle"
    status = 504


class ResponseError(UpstreamError):
    """The answer broke off, or is not strict HTTP/1.1."""
