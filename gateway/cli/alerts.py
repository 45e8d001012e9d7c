"""`mcp-gateway alert`: list the alerts that were sent, and send a test."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import typer

from gateway.alerts.alert import Alert
from gateway.alerts.causes import webhook_test_cause
from gateway.alerts.queue import AlertQueue
from gateway.cli.support import options
from gateway.cli.support.output import CliError, counted, print_json, print_stderr, print_table, printable, shortened
from gateway.cli.support.stores import Stores, command_author, with_stores
from gateway.timestamps import format_minute, now_ms

_PATIENCE_SECONDS = 11.0
"""Longer than the time-out of one attempt."""
_POLL_SECONDS = 0.1
_TEXT_WIDTH = 80

app = typer.Typer(no_args_is_help=True, help="Alerts that the admin process sends to a webhook.")


@app.command(name="list")
def list_alerts(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number; the newest are first.")] = 50,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List the alerts of the last 30 days, with the state of their delivery.

    \b
    Examples:
      mcp-gateway alert list
      mcp-gateway alert list --limit 500 --json
    """
    alerts = with_stores(config, data_dir, lambda stores: _queue(stores).page(None, limit + 1))
    shown = alerts[:limit]
    if as_json:
        print_json({"items": [alert.values() for alert in shown]})
    else:
        rows = [
            (
                format_minute(alert.time),
                alert.type,
                printable(alert.subject),
                _delivery(alert),
                shortened(alert.text, _TEXT_WIDTH),
            )
            for alert in shown
        ]
        print_table(("TIME (UTC)", "TYPE", "SUBJECT", "DELIVERY", "TEXT"), rows)
    if len(alerts) > limit:
        print_stderr(f"there are more than {limit} alerts: raise --limit to see them")


@app.command(name="test")
def send_test(
    as_json: options.Json = False, data_dir: options.DataDir = None, config: options.ConfigFile = None
) -> None:
    """Send a test alert, and tell whether it arrived.

    The admin process sends it. If none runs with a webhook, this command sends it to GATEWAY_WEBHOOK_URL.

    \b
    Example:
      mcp-gateway alert test
    """
    alert, host = with_stores(config, data_dir, _send_test)
    if as_json:
        print_json(alert.values())
    if alert.status == "sent":
        if not as_json:
            typer.echo(f"the test alert was delivered to {host}")
        return
    if alert.last_error is None:
        raise CliError(f"the test alert was not sent to {host} yet: see the log of the admin process")
    raise CliError(f"the test alert was not delivered to {host}, and is tried again for a day: {alert.last_error}")


async def _send_test(stores: Stores) -> tuple[Alert, str]:
    # Imported here: the other commands need no HTTP client.
    from gateway.alerts.sender import AlertSender
    from gateway.alerts.service import announced_webhook
    from gateway.alerts.webhook import Webhook, WebhookAddress

    announced = await announced_webhook(stores.redis)
    address = WebhookAddress.of(stores.settings.webhook_url, stores.settings.webhook_secret)
    if announced is None and address is None:
        raise CliError(
            "no webhook is set: set GATEWAY_WEBHOOK_URL for `mcp-gateway up` or `mcp-gateway admin`, and restart it"
        )
    [alert] = await _queue(stores).raise_alerts([webhook_test_cause(command_author().actor, secrets.token_hex(8))])
    await stores.audit.record("alert.test")
    if announced is not None:
        return await _attempted(stores, alert), announced.host
    assert address is not None
    async with Webhook.connect(address) as webhook:
        return await AlertSender(_queue(stores), webhook, now_ms=now_ms).send(alert), address.host


async def _attempted(stores: Stores, alert: Alert) -> Alert:
    """Wait for the first attempt of the admin process, and return the alert after it."""
    queue, deadline = _queue(stores), now_ms() + _PATIENCE_SECONDS * 1000
    while not alert.attempts and now_ms() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        alert = await queue.get(alert.id) or alert
    return alert


def _queue(stores: Stores) -> AlertQueue:
    return AlertQueue(stores.redis, now_ms=now_ms)


def _delivery(alert: Alert) -> str:
    return alert.status if alert.status == "sent" else f"{alert.status}, {counted(alert.attempts, 'attempt')}"
