"""Checks and sender in several processes: one of them works."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import redis.asyncio

from gateway.alerts.alert import Cause
from gateway.alerts.queue import AlertQueue
from gateway.alerts.sender import AlertSender
from gateway.alerts.service import AlertService, AnnouncedWebhook, Check, announced_webhook
from gateway.alerts.webhook import Webhook
from gateway.redis import names
from gateway.timestamps import now_ms
from tests.alerts.receiver import Receiver
from tests.support.waiting import until

CAUSE = Cause(type="limit_80", subject="key_1", text="Raise it.", hold_ms=600_000)


class Replica:
    """The alerts of one admin process."""

    def __init__(self, client: redis.asyncio.Redis, webhook: Webhook) -> None:
        self.checked = 0
        self.error: Exception | None = None
        queue = AlertQueue(client, now_ms=now_ms)
        self.service = AlertService(
            client,
            queue,
            AlertSender(queue, webhook, now_ms=now_ms),
            webhook.address,
            [Check("test", 0.01, self._find)],
            poll_seconds=0.01,
        )

    async def _find(self) -> Sequence[Cause]:
        self.checked += 1
        if self.error is not None:
            raise self.error
        return [CAUSE]


async def test_two_replicas_send_one_alert(redis: redis.asyncio.Redis, webhook: Webhook, receiver: Receiver) -> None:
    first, second = Replica(redis, webhook), Replica(redis, webhook)
    async with first.service.running():
        await until(lambda: receiver.requests)
        async with second.service.running():
            checked = first.checked
            await until(lambda: first.checked > checked + 5)
            assert second.checked == 0
        assert [each["subject"] for each in receiver.alerts] == ["key_1"]


async def test_another_replica_takes_over(redis: redis.asyncio.Redis, webhook: Webhook, receiver: Receiver) -> None:
    first, second = Replica(redis, webhook), Replica(redis, webhook)
    async with AsyncExitStack() as stack:
        async with first.service.running():
            await until(lambda: receiver.requests)
            await stack.enter_async_context(second.service.running())
        await until(lambda: second.checked)
        assert len(receiver.requests) == 1, "what was sent is not sent again"


async def test_a_lease_that_nobody_renews_is_taken_over(
    redis: redis.asyncio.Redis, webhook: Webhook, receiver: Receiver
) -> None:
    await redis.set(names.ALERT_LEASE, "a process that was killed", px=300)
    async with Replica(redis, webhook).service.running():
        await until(lambda: receiver.requests)


async def test_a_check_that_fails_is_repeated(redis: redis.asyncio.Redis, webhook: Webhook, receiver: Receiver) -> None:
    replica = Replica(redis, webhook)
    replica.error = ValueError("a bug")
    async with replica.service.running():
        await until(lambda: replica.checked > 2)
        replica.error = None
        await until(lambda: receiver.requests)


async def test_the_leader_announces_the_host_of_its_receiver(redis: redis.asyncio.Redis, webhook: Webhook) -> None:
    assert await announced_webhook(redis) is None
    async with Replica(redis, webhook).service.running():
        await until(lambda: announced_webhook(redis))
        assert await announced_webhook(redis) == AnnouncedWebhook(webhook.address.host, is_signed=True)
    assert b"T0KEN" not in (await redis.get(names.WEBHOOK) or b"T0KEN")
