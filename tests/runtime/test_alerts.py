"""The alerts of the admin process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names
from gateway.runtime import admin_services
from gateway.settings import Settings
from gateway.usage.event import pack
from tests.alerts.receiver import SECRET, Receiver, running_receiver
from tests.runtime.admin_process import Start
from tests.support import ports
from tests.support.admin_api import event
from tests.support.waiting import until


def of_type(receiver: Receiver, alert_type: str) -> list[dict[str, Any]]:
    return [alert for alert in receiver.alerts if alert["type"] == alert_type]


async def test_alerts_leave_within_30_seconds_and_survive_the_death_of_the_process(
    start: Start, redis: redis.asyncio.Redis
) -> None:
    async with running_receiver() as receiver:
        receiver.holds = asyncio.Event()
        webhook = {"webhook_url": receiver.address().url, "webhook_secret": SECRET}
        first = await start(**webhook)
        await first.ready()
        await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": pack([event()]), "reason": "Code: 27"})
        await until(lambda: of_type(receiver, "dead_letters"), seconds=30)
        first.process.kill()
        await first.wait()
        receiver.holds.set()
        receiver.holds = None

        second = await start(**webhook, admin_port=ports.free_port())
        await second.ready()
        await until(lambda: len(of_type(receiver, "dead_letters")) == 2, seconds=30)
        one, other = of_type(receiver, "dead_letters")
        assert one == other, "the interrupted attempt is repeated"
    second.process.terminate()
    _, shown = await second.wait()
    assert not any(secret in shown for secret in ("T0KEN", SECRET))


async def test_usage_that_does_not_balance_is_an_alert(
    chdb_url: str, valkey_url: str, redis: redis.asyncio.Redis, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_services, "ALERTED_MONITOR_SECONDS", 0.05)
    # Nobody has accepted this event.
    await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": pack([event()]), "reason": "Code: 27"})
    async with running_receiver() as receiver:
        settings = Settings.model_validate(
            {
                "redis_url": valkey_url,
                "clickhouse_url": chdb_url,
                "jwt_secret": SECRET * 2,
                "admin_port": free_port,
                "webhook_url": receiver.address().url,
            }
        )
        async with admin_services.running(settings):
            await until(lambda: of_type(receiver, "usage_unbalanced"), seconds=20)
    assert "1 more are found than the 0 that were accepted" in of_type(receiver, "usage_unbalanced")[0]["text"]
