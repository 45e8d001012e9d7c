"""The interface through which the proxy reports its metrics."""

from __future__ import annotations

from typing import Literal, Protocol

CLIENT_CLOSED_REQUEST = 499
"""Status counted for a client that disconnected before its response began (nginx's 499); no client is sent it."""


class ProxyMetricsSink(Protocol):
    """Receives the metrics of a worker. Labels come from small, fixed sets, never from a client."""

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        """Count a response.

        `reason` is that of a `Deny`, `client_left` for a client that disconnected before the response, or `forwarded`.
        `forwarded` also counts responses of the gateway itself: to OPTIONS, to HEAD, and to health probes.
        """

    def key_looked_up(self, outcome: Literal["hit", "miss", "error"]) -> None:
        """Count a lookup of an API key: answered by the cache, by Redis, or failed."""

    def limit_checked(self, limit: str, of: str, outcome: Literal["admitted", "refused"], count: int) -> None:
        """Count requests that a limit (a field of `Restrictions`) of a key or an owner has admitted or refused."""

    def upstream_failed(self, phase: str) -> None:
        """Count a failure of the upstream in this phase."""

    def upstream_refused(self, kind: str) -> None:
        """Count a response with which the upstream refused the gateway: `redirect`, `401`, `403` or `407`."""

    def rule_failed(self) -> None:
        """Count a call on which a metering rule failed."""

    def streams_opened(self, change: int) -> None:
        """Add to the number of open event streams; negative for closed ones."""

    def write(self) -> None:
        """Publish the metrics; called regularly, and at the end."""
