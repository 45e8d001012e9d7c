"""Alerts in Redis."""

from __future__ import annotations

import asyncio

import msgspec
import redis.asyncio

from gateway.alerts import queue as queue_module
from gateway.alerts.alert import Alert, AlertType, Cause
from gateway.alerts.queue import AlertQueue
from tests.support.clock import Clock


def cause(subject: str = "key_1", window: str = "today", alert_type: AlertType = "limit_80") -> Cause:
    return Cause(type=alert_type, subject=subject, text="Do something.", window=window, hold_ms=60_000)


async def test_a_cause_is_raised_once_in_its_window(queue: AlertQueue) -> None:
    [alert] = await queue.raise_alerts([cause(), cause()])
    assert await queue.raise_alerts([cause()]) == []
    others = [cause(window="tomorrow"), cause(subject="key_2"), cause(alert_type="limit_100")]
    assert len(await queue.raise_alerts(others)) == 3
    assert (alert.status, alert.attempts) == ("waiting", 0)
    assert await queue.get(alert.id) == alert


async def test_of_two_processes_one_raises_an_alert(redis: redis.asyncio.Redis, clock: Clock) -> None:
    queues = [AlertQueue(redis, now_ms=clock.now_ms) for _ in range(8)]
    raised = await asyncio.gather(*(queue.raise_alerts([cause()]) for queue in queues))
    assert sum(map(len, raised)) == 1


async def test_a_window_that_extends_lasts_as_long_as_its_cause(queue: AlertQueue, redis: redis.asyncio.Redis) -> None:
    lasting = msgspec.structs.replace(cause(), extends=True, hold_ms=1_000_000)
    await queue.raise_alerts([msgspec.structs.replace(lasting, hold_ms=1000)])
    assert await queue.raise_alerts([lasting]) == []
    [window] = await redis.keys("*alert-window*")
    assert await redis.pttl(window) > 1000


async def test_new_alerts_are_due_before_those_that_are_tried_again(queue: AlertQueue, clock: Clock) -> None:
    [first] = await queue.raise_alerts([cause("first")])
    await queue.update(msgspec.structs.replace(first, attempts=1), clock.now_ms() + 5000)
    assert await queue.due(10) == []
    clock.advance(6)
    [second] = await queue.raise_alerts([cause("second")])
    assert [alert.id for alert in await queue.due(10)] == [second.id, first.id]
    assert [alert.id for alert in await queue.due(1)] == [second.id]


async def test_an_alert_that_was_sent_waits_no_longer_and_stays_in_the_history(queue: AlertQueue) -> None:
    [alert] = await queue.raise_alerts([cause()])
    sent = msgspec.structs.replace(alert, status="sent", delivered_at=1)
    await queue.update(sent, None)
    assert (await queue.due(10), await queue.waiting()) == ([], 0)
    assert await queue.page(None, 10) == [sent]


async def ids(queue: AlertQueue, after: str | None, limit: int) -> list[str]:
    return [alert.subject for alert in await queue.page(after, limit)]


async def test_pages_begin_with_the_newest_alert(queue: AlertQueue, clock: Clock) -> None:
    raised: list[Alert] = []
    for number in range(5):
        raised += await queue.raise_alerts([cause(str(number))])
        clock.advance(1)
    assert await ids(queue, None, 2) == ["4", "3"]
    await queue.raise_alerts([cause("5")])
    assert await ids(queue, raised[3].id, 2) == ["2", "1"]
    assert await ids(queue, raised[0].id, 2) == []
    assert await ids(queue, "unknown", 2) == []


async def test_the_history_is_bounded_in_length_and_age(redis: redis.asyncio.Redis, clock: Clock) -> None:
    queue = AlertQueue(redis, now_ms=clock.now_ms, max_alerts=3)
    for number in range(5):
        await queue.raise_alerts([cause(str(number))])
        clock.advance(1)
    assert await ids(queue, None, 10) == ["4", "3", "2"]
    assert await queue.waiting() == 3
    clock.advance(queue_module.MAX_AGE_SECONDS - 1)
    await queue.trim()
    assert await ids(queue, None, 10) == ["4"]
    assert await redis.hlen("{mcpgw}:alerts") == 1


async def test_an_alert_that_left_the_history_is_not_stored_again(redis: redis.asyncio.Redis, clock: Clock) -> None:
    queue = AlertQueue(redis, now_ms=clock.now_ms, max_alerts=1)
    [alert] = await queue.raise_alerts([cause("old")])
    clock.advance(1)
    await queue.raise_alerts([cause("new")])
    await queue.update(alert, clock.now_ms())
    assert [alert.subject for alert in await queue.due(10)] == ["new"]
