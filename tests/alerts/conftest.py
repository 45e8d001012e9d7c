"""A receiver, a queue, and a sender between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from gateway.alerts.queue import AlertQueue
from gateway.alerts.sender import AlertSender
from gateway.alerts.webhook import Webhook
from tests.alerts.receiver import Receiver, running_receiver
from tests.support.clock import Clock


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def webhook(receiver: Receiver) -> AsyncIterator[Webhook]:
    async with Webhook.connect(receiver.address()) as webhook:
        yield webhook


@pytest.fixture
def queue(redis: redis.asyncio.Redis, clock: Clock) -> AlertQueue:
    return AlertQueue(redis, now_ms=clock.now_ms)


@pytest.fixture
def sender(queue: AlertQueue, webhook: Webhook, clock: Clock) -> AlertSender:
    return AlertSender(queue, webhook, now_ms=clock.now_ms, jitter=lambda: 1.0)
