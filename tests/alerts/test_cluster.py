"""Alerts on a Redis Cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.alerts.alert import Cause
from gateway.alerts.checks.keys import KeyCheck
from gateway.alerts.checks.periodic import StateChecks
from gateway.alerts.queue import AlertQueue
from gateway.alerts.sender import AlertSender
from gateway.alerts.service import AlertService, Check, announced_webhook
from gateway.alerts.webhook import Webhook
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.timestamps import DAY_MS, now_ms
from tests.alerts.receiver import Receiver
from tests.support.valkey_cluster import running_cluster
from tests.support.waiting import until

CAUSE = Cause(type="limit_80", subject="key_1", text="Raise it.", hold_ms=600_000, extends=True)


@pytest.fixture
async def cluster() -> AsyncIterator[Redis]:
    with running_cluster() as cluster:
        client = connect(cluster.url)
        yield client
        await client.aclose()


async def test_alerts_are_raised_and_sent_once_on_a_cluster(
    cluster: Redis, webhook: Webhook, receiver: Receiver
) -> None:
    checks = 0
    await KeyStore(cluster, pepper=None, now_ms=now_ms).create(
        owner="ada@example.com", key_name="a", calls_per_day=1, expires_at=now_ms() + DAY_MS
    )

    async def find() -> list[Cause]:
        nonlocal checks
        checks += 1
        state = StateChecks(cluster, now_ms=now_ms)
        ending = await KeyCheck(cluster, now_ms=now_ms).find()
        return [CAUSE, *ending, *await state.dead_letters(), *await state.upstream(), *await state.attacks()]

    queue = AlertQueue(cluster, now_ms=now_ms)
    sender = AlertSender(queue, webhook, now_ms=now_ms)
    service = AlertService(cluster, queue, sender, webhook.address, [Check("test", 0.01, find)], poll_seconds=0.01)
    async with service.running():
        await until(lambda: len(receiver.requests) == 2 and checks > 3)
        assert await announced_webhook(cluster) is not None
    await queue.trim()
    sent = [(alert.type, alert.status) for alert in await queue.page(None, 10)]
    assert sorted(sent) == [("key_expiring", "sent"), ("limit_80", "sent")]
    assert len(receiver.requests) == 2
