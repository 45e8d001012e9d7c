"""The sender, between a real Redis and a real receiver."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.alerts.alert import Alert, Cause
from gateway.alerts.metrics_sink import AlertMetricsSink
from gateway.alerts.queue import AlertQueue
from gateway.alerts.retry_schedule import RETRY_SECONDS
from gateway.alerts.sender import AlertSender
from gateway.alerts.webhook import Webhook
from tests.alerts.receiver import Receiver
from tests.support.clock import Clock


class Metrics(AlertMetricsSink):
    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.last_waiting = -1

    def attempted(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def waiting(self, alerts: int) -> None:
        self.last_waiting = alerts


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def sender(queue: AlertQueue, webhook: Webhook, clock: Clock, metrics: Metrics) -> AlertSender:
    return AlertSender(queue, webhook, now_ms=clock.now_ms, metrics=metrics, jitter=lambda: 1.0)


async def raised(queue: AlertQueue, subject: str = "key_1") -> Alert:
    [alert] = await queue.raise_alerts([Cause(type="limit_80", subject=subject, text="Raise it.", hold_ms=60_000)])
    return alert


async def stored(queue: AlertQueue, alert: Alert) -> Alert:
    found = await queue.get(alert.id)
    assert found is not None
    return found


async def test_an_alert_is_sent_once(
    queue: AlertQueue, sender: AlertSender, receiver: Receiver, clock: Clock, metrics: Metrics
) -> None:
    alert = await raised(queue)
    assert await sender.send_due() == 1
    assert await sender.send_due() == 0
    assert [each["id"] for each in receiver.alerts] == [alert.id]
    found = await stored(queue, alert)
    assert (found.status, found.attempts, found.delivered_at) == ("sent", 1, clock.now_ms())
    assert (metrics.outcomes, metrics.last_waiting) == (["sent"], 0)


async def test_an_alert_waits_until_the_receiver_is_back(
    queue: AlertQueue,
    sender: AlertSender,
    receiver: Receiver,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await receiver.stop()
    alert = await raised(queue)
    await sender.send_due()
    found = await stored(queue, alert)
    assert (found.status, found.attempts) == ("waiting", 1)
    assert found.last_error == "the receiver cannot be reached: start it, or check GATEWAY_WEBHOOK_URL"
    assert await sender.send_due() == 0, "not before its time"
    await receiver.start()
    clock.advance(5)
    await sender.send_due()
    found = await stored(queue, alert)
    assert (found.status, found.attempts, found.last_error) == ("sent", 2, None)
    assert [record.levelno for record in caplog.records if record.name == "gateway.alerts.sender"] == [
        logging.WARNING
    ] * 2
    assert "T0KEN" not in caplog.text


async def test_all_attempts_of_an_alert_have_the_same_body(
    queue: AlertQueue, sender: AlertSender, receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 503
    await raised(queue)
    for _ in range(3):
        await sender.send_due()
        clock.advance(60)
    assert len(receiver.requests) == 3
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["X-Gateway-Signature"] for request in receiver.requests}) == 3


async def test_an_alert_fails_after_a_day(
    queue: AlertQueue, sender: AlertSender, receiver: Receiver, clock: Clock, metrics: Metrics
) -> None:
    receiver.status = 410
    alert = await raised(queue)
    await sender.send_due()
    clock.advance(RETRY_SECONDS)
    await sender.send_due()
    found = await stored(queue, alert)
    assert (found.status, found.attempts) == ("failed", 2)
    assert found.last_error is not None
    assert (await queue.waiting(), metrics.outcomes) == (0, ["retried", "failed"])


async def test_a_sender_that_dies_during_an_attempt_leaves_the_alert_to_the_next_one(
    queue: AlertQueue, sender: AlertSender, webhook: Webhook, receiver: Receiver, clock: Clock
) -> None:
    receiver.holds = asyncio.Event()
    alert = await raised(queue)
    attempt = asyncio.create_task(sender.send_due())
    await receiver.arrived.wait()
    attempt.cancel()
    await asyncio.wait([attempt])
    receiver.holds.set()
    await AlertSender(queue, webhook, now_ms=clock.now_ms).send_due()
    assert [each["id"] for each in receiver.alerts] == [alert.id, alert.id], "at least once"
    assert (await stored(queue, alert)).status == "sent"


async def test_many_alerts_are_all_sent(queue: AlertQueue, sender: AlertSender, receiver: Receiver) -> None:
    alerts = {(await raised(queue, str(number))).id for number in range(20)}
    while await sender.send_due():
        pass
    assert {each["id"] for each in receiver.alerts} == alerts
