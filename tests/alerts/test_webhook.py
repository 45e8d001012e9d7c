"""One request to a webhook."""

from __future__ import annotations

import asyncio

import pytest

from gateway.alerts import webhook as webhook_module
from gateway.alerts.alert import Alert
from gateway.alerts.signature import signature
from gateway.alerts.webhook import Webhook, WebhookAddress
from tests.alerts.receiver import SECRET, Receiver

NOW = 1_767_225_600_123
ALERT = Alert(id="1", type="test", time=NOW, subject="webhook", text="A test.")


async def test_an_alert_is_posted_and_signed(receiver: Receiver, webhook: Webhook) -> None:
    assert await webhook.send(ALERT, NOW) is None
    [request] = receiver.requests
    assert request.body == ALERT.body()
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Gateway-Signature"] == signature(SECRET, ALERT.body(), NOW // 1000)


async def test_without_a_secret_an_alert_is_not_signed(receiver: Receiver) -> None:
    async with Webhook.connect(receiver.address(secret=None)) as webhook:
        assert await webhook.send(ALERT, NOW) is None
    assert "X-Gateway-Signature" not in receiver.requests[0].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(receiver: Receiver, webhook: Webhook, status: int) -> None:
    receiver.status = status
    assert await webhook.send(ALERT, NOW) is None


@pytest.mark.parametrize("status", [302, 307, 400, 401, 404, 410, 429, 500, 503])
async def test_every_other_status_is_a_failure_that_names_a_fix(
    receiver: Receiver, webhook: Webhook, status: int
) -> None:
    receiver.status = status
    error = await webhook.send(ALERT, NOW)
    assert error is not None
    assert f"status {status}" in error
    assert ": " in error
    assert len(receiver.requests) == 1, "a redirect is not followed"


async def test_a_receiver_that_is_away_is_a_failure(receiver: Receiver, webhook: Webhook) -> None:
    await receiver.stop()
    error = await webhook.send(ALERT, NOW)
    assert error == "the receiver cannot be reached: start it, or check GATEWAY_WEBHOOK_URL"


async def test_a_receiver_that_hangs_is_a_failure(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "TIMEOUT_SECONDS", 0.05)
    receiver.holds = asyncio.Event()
    async with Webhook.connect(receiver.address()) as webhook:
        error = await webhook.send(ALERT, NOW)
    receiver.holds.set()
    assert error == "the receiver gave no response within 0.05 s: check its log"


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}/hook/T0KEN", "http://name.invalid/hook/T0KEN"])
async def test_no_error_contains_the_path_or_the_user_of_the_url(receiver: Receiver, url: str) -> None:
    port = receiver.address().host.rpartition(":")[2]
    address = WebhookAddress(url.format(port=port).replace("://", "://user:hush@"), SECRET)
    async with Webhook.connect(address) as webhook:
        error = await webhook.send(ALERT, NOW)
    assert error is not None
    shown = error + repr(address)
    assert not any(part in shown for part in ("T0KEN", "hush", "user", SECRET))
