"""Alerts in the admin API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from admin_api.endpoints import alerts as endpoints
from gateway.alerts.alert import Cause
from gateway.alerts.running import alerting
from gateway.alerts.webhook import WebhookAddress
from tests.alerts.receiver import running_receiver
from tests.support.admin_api import ADMIN, PASSWORD, Api
from tests.support.clock import Clock

ALERTS, TEST = "/api/alerts", "/api/alerts/test"
ADDRESS = WebhookAddress("https://user:hush@hooks.example.com:8443/T0KEN?key=hidden", "a secret")


@pytest.fixture
async def admin_with_webhook(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies
) -> Callable[[WebhookAddress], Awaitable[Api]]:
    """A function that serves the app with a webhook and returns an admin."""
    await deps.users.add(ADMIN, PASSWORD, "admin")

    async def start(address: WebhookAddress) -> Api:
        return await (await serve(replace(deps, webhook=address))).logged_in(ADMIN)

    return start


def cause(subject: str) -> Cause:
    return Cause(type="limit_80", subject=subject, text="Raise it.", hold_ms=60_000)


async def test_without_a_webhook_the_list_is_empty_and_says_so(admin: Api) -> None:
    assert (await admin.get(ALERTS)).body == {
        "items": [],
        "next_cursor": None,
        "webhook": {"configured": False, "host": None},
    }


async def test_the_list_shows_no_part_of_the_url_but_its_host(
    admin_with_webhook: Callable[[WebhookAddress], Awaitable[Api]],
) -> None:
    admin = await admin_with_webhook(ADDRESS)
    response = await admin.get(ALERTS)
    assert response.body["webhook"] == {"configured": True, "host": "hooks.example.com:8443"}
    assert not any(part in str(response.body) for part in ("hush", "T0KEN", "hidden", "a secret"))


async def test_pages_begin_with_the_newest_alert(admin: Api, deps: Dependencies, clock: Clock) -> None:
    for number in range(3):
        await deps.alerts.raise_alerts([cause(str(number))])
        clock.advance(1)
    page = (await admin.get(ALERTS, limit=2)).body
    assert [item["subject"] for item in page["items"]] == ["2", "1"]
    assert page["items"][0] | {"id": "", "time": ""} == {
        "id": "",
        "type": "limit_80",
        "time": "",
        "subject": "2",
        "text": "Raise it.",
        "status": "waiting",
        "attempts": 0,
        "delivered_at": None,
        "last_error": None,
    }
    last = (await admin.get(ALERTS, limit=2, cursor=page["next_cursor"])).body
    assert ([item["subject"] for item in last["items"]], last["next_cursor"]) == (["0"], None)


@pytest.mark.parametrize(("query", "field"), [({"limit": 0}, "limit"), ({"cursor": "junk"}, "cursor")])
async def test_a_wrong_query_names_its_field(admin: Api, query: dict[str, str], field: str) -> None:
    response = await admin.get(ALERTS, **query)
    assert (response.status, response.fields) == (400, {field})


async def test_members_neither_see_nor_send_alerts(user: Api) -> None:
    assert (await user.get(ALERTS)).status == 403
    assert (await user.post(TEST, {})).status == 403


async def test_a_test_without_a_webhook_names_the_setting(admin: Api) -> None:
    response = await admin.post(TEST, {})
    assert (response.status, response.body["detail"]) == (
        409,
        "No webhook is set. Set GATEWAY_WEBHOOK_URL for the admin process, and restart it.",
    )


async def test_a_test_reports_its_delivery_and_is_audited(
    admin_with_webhook: Callable[[WebhookAddress], Awaitable[Api]], redis: redis.asyncio.Redis
) -> None:
    async with running_receiver() as receiver:
        admin = await admin_with_webhook(receiver.address())
        async with alerting(redis, receiver.address()):
            delivered = await admin.post(TEST, {})
            receiver.status = 500
            refused = await admin.post(TEST, {})
    assert (delivered.status, delivered.body["status"], delivered.body["type"]) == (200, "sent", "test")
    assert (refused.status, refused.body["status"], refused.body["attempts"]) == (200, "waiting", 1)
    assert refused.body["last_error"] == "the receiver answered with status 500: check its log"
    assert ADMIN in receiver.alerts[0]["text"]
    assert [act.act for act in await admin.audited_changes()] == ["alert.test", "alert.test"]


async def test_a_test_that_nobody_sends_is_waiting(
    admin_with_webhook: Callable[[WebhookAddress], Awaitable[Api]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "TEST_SECONDS", 0.01)
    response = await (await admin_with_webhook(ADDRESS)).post(TEST, {})
    assert (response.status, response.body["status"], response.body["attempts"]) == (200, "waiting", 0)
