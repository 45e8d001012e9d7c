"""Alerts: those that were sent or wait, and a test."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing
from admin_api.http.paging import Cursor, PageLimit, decode_cursor, encode_cursor
from admin_api.http.problem import Problem
from gateway.alerts.alert import AlertType, Status
from gateway.alerts.causes import webhook_test_cause

TEST_SECONDS = 9.0
"""Time for which a test waits for its first attempt."""
_POLL_SECONDS = 0.1


class AlertsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the alerts."""

    limit: PageLimit = 50
    cursor: Cursor | None = None


class AlertItem(msgspec.Struct, frozen=True, kw_only=True):
    """An alert: its cause, and the state of its delivery."""

    id: str
    type: AlertType
    time: str
    subject: str
    """The key id, the owner, the account or the upstream that it is about, or `usage` or `webhook`."""
    text: str
    status: Status
    attempts: int
    delivered_at: str | None
    last_error: str | None
    """Why the last attempt failed."""


class WebhookState(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver of alerts. The rest of its URL may be secret."""

    configured: bool
    host: str | None


class AlertList(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of the last 30 days, the newest first; `next_cursor` is `null` on the last page."""

    items: list[AlertItem]
    next_cursor: str | None
    webhook: WebhookState


async def list_alerts(deps: Dependencies, caller: ApiCaller, params: AlertsQuery) -> AlertList:
    """Return a page of the alerts."""
    after = None if params.cursor is None else str(decode_cursor(params.cursor, (str,))[0])
    alerts = await deps.alerts.page(after, params.limit + 1)
    shown = alerts[: params.limit]
    return AlertList(
        items=[AlertItem(**alert.values()) for alert in shown],
        next_cursor=encode_cursor((shown[-1].id,)) if len(alerts) > params.limit else None,
        webhook=WebhookState(
            configured=deps.webhook is not None, host=None if deps.webhook is None else deps.webhook.host
        ),
    )


async def send_test(deps: Dependencies, caller: ApiCaller, params: Nothing) -> AlertItem:
    """Send a test alert, and return it after its first attempt, or as waiting if that takes too long."""
    if deps.webhook is None:
        raise Problem(409, "No webhook is set. Set GATEWAY_WEBHOOK_URL for the admin process, and restart it.")
    [alert] = await deps.alerts.raise_alerts([webhook_test_cause(caller.user.email, secrets.token_hex(8))])
    await deps.audit.record("alert.test")
    try:
        async with asyncio.timeout(TEST_SECONDS):
            # Another process may send it; Redis cannot wait for a change of a hash.
            while (stored := await deps.alerts.get(alert.id)) is not None and not stored.attempts:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        stored = None
    return AlertItem(**(stored or alert).values())


_EXAMPLE = AlertItem(
    id="019b76da1c007c3e8f1a2b3c4d5e6f70",
    type="upstream_unreachable",
    time="2026-01-01T00:00:00.000Z",
    subject="10.0.0.5:9000",
    text="The upstream 10.0.0.5:9000 cannot be reached from gateway-1: start it, or correct GATEWAY_UPSTREAM_URL.",
    status="sent",
    attempts=1,
    delivered_at="2026-01-01T00:00:00.150Z",
    last_error=None,
)
_TEST_EXAMPLE = msgspec.structs.replace(
    _EXAMPLE,
    type="test",
    subject="webhook",
    text="This is a test of root@example.com: alerts of the gateway arrive here, and nothing needs to be done.",
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/alerts",
        summary="List the alerts that were sent or wait, the newest first",
        access="auditor",
        params=AlertsQuery,
        handler=list_alerts,
        response=AlertList,
        request_example=AlertsQuery(limit=20),
        response_example=AlertList(
            items=[_EXAMPLE],
            next_cursor=None,
            webhook=WebhookState(configured=True, host="alerts.example.com"),
        ),
    ),
    Endpoint(
        method="POST",
        path="/api/alerts/test",
        summary="Send a test alert, and report its first attempt",
        access="admin",
        params=Nothing,
        handler=send_test,
        response=AlertItem,
        request_example=Nothing(),
        response_example=_TEST_EXAMPLE,
        errors=(409,),
    ),
)
