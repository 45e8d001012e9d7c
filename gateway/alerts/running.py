"""Composes queue, webhook, sender and checks, and runs them in an admin process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from gateway.alerts.checks.periodic import periodic_checks
from gateway.alerts.metrics_sink import AlertMetricsSink
from gateway.alerts.queue import AlertQueue
from gateway.alerts.sender import AlertSender
from gateway.alerts.service import AlertService
from gateway.alerts.webhook import Webhook, WebhookAddress
from gateway.timestamps import now_ms


@asynccontextmanager
async def alerting(
    redis: Redis, address: WebhookAddress | None, metrics: AlertMetricsSink | None = None
) -> AsyncIterator[None]:
    """Look for causes and send alerts for the duration of the context; without a receiver, do nothing."""
    if address is None:
        yield
        return
    queue = AlertQueue(redis, now_ms=now_ms)
    async with Webhook.connect(address) as webhook:
        sender = AlertSender(queue, webhook, now_ms=now_ms, metrics=metrics)
        service = AlertService(redis, queue, sender, address, periodic_checks(redis, queue, now_ms=now_ms))
        async with service.running():
            yield
