"""The interface through which the sender of alerts reports measurements. Every method does nothing here."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["sent", "retried", "failed"]


class AlertMetricsSink:
    """Receives the measurements of alerts. Methods are called on the event loop and must not block."""

    def attempted(self, outcome: Outcome) -> None:
        """An alert was sent, will be tried again, or has failed."""

    def waiting(self, alerts: int) -> None:
        """So many alerts were not sent yet."""
