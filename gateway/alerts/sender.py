"""Sends alerts that are due, and stores the outcome of each attempt.

An alert leaves the waiting ones only after the receiver has accepted it: a process that is killed in between sends it
twice, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import msgspec

from gateway.alerts.alert import Alert
from gateway.alerts.metrics_sink import AlertMetricsSink
from gateway.alerts.queue import AlertQueue
from gateway.alerts.retry_schedule import next_attempt
from gateway.alerts.webhook import Webhook

CONCURRENT_ATTEMPTS = 8

log = logging.getLogger(__name__)


class AlertSender:
    """Sends alerts to one webhook. Methods raise `redis.exceptions.RedisError`."""

    def __init__(
        self,
        queue: AlertQueue,
        webhook: Webhook,
        *,
        now_ms: Callable[[], int],
        metrics: AlertMetricsSink | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._webhook = webhook
        self._now_ms = now_ms
        self._metrics = metrics or AlertMetricsSink()
        self._jitter = jitter
        self._is_failing = False

    async def send_due(self) -> int:
        """Try some alerts that are due, concurrently, and return their number."""
        alerts = await self._queue.due(CONCURRENT_ATTEMPTS)
        outcomes = await asyncio.gather(*map(self.send, alerts), return_exceptions=True)
        for outcome in outcomes:
            # Only now: while an attempt goes on, its alert must not be due again.
            if isinstance(outcome, BaseException):
                raise outcome
        self._metrics.waiting(await self._queue.waiting())
        return len(alerts)

    async def send(self, alert: Alert) -> Alert:
        """Try an alert once, and return it with the outcome."""
        error = await self._webhook.send(alert, self._now_ms())
        now = self._now_ms()
        after = msgspec.structs.replace(alert, attempts=alert.attempts + 1, last_error=error)
        if error is None:
            after = msgspec.structs.replace(after, status="sent", delivered_at=now)
            self._metrics.attempted("sent")
            self._report(None)
            await self._queue.update(after, None)
            return after
        again_at = next_attempt(after.attempts, alert.time, now, self._jitter())
        if again_at is None:
            after = msgspec.structs.replace(after, status="failed")
            log.error("alert %s (%s, %s) was not sent within a day: %s", alert.id, alert.type, alert.subject, error)
        self._metrics.attempted("failed" if again_at is None else "retried")
        self._report(error)
        await self._queue.update(after, again_at)
        return after

    def _report(self, error: str | None) -> None:
        """Log that the receiver began to fail, or is back."""
        host = self._webhook.address.host
        if error is not None and not self._is_failing:
            log.warning("alerts cannot be sent to %s, trying again for a day: %s", host, error)
        elif error is None and self._is_failing:
            log.warning("alerts can be sent to %s again", host)
        self._is_failing = error is not None
