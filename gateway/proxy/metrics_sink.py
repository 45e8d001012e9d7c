"""What the proxy tells whoever counts: labels come from small, fixed sets, never from a client."""

from __future__ import annotations

from typing import Literal, Protocol


class ProxyMetricsSink(Protocol):
    """Hears of every answered request."""

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        """A request was answered; `reason` is `forwarded`, or why the gateway answered by itself."""

    def write(self) -> None:
        """Show what was told: called now and then, and at the end."""

    def key_looked_up(self, outcome: Literal["hit", "miss", "error"]) -> None:
        """Count a lookup of an API key: answered by the cache, by Redis, or failed."""

    def upstream_failed(self, phase: str) -> None:
        """The upstream failed in this phase."""

    def rule_failed(self) -> None:
        """A metering rule failed on a call."""

    def streams_opened(self, change: int) -> None:
        """So many event streams were opened (or, negative, closed)."""
