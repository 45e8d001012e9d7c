"""The commands of alerts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from gateway.alerts.running import alerting
from gateway.alerts.webhook import WebhookAddress
from gateway.cli.app import run_command_line
from gateway.redis.client import connect
from tests.alerts.receiver import Receiver, running_receiver


@contextmanager
def running(redis_url: str | None, status: int = 200) -> Iterator[Receiver]:
    """Run a receiver and, with `redis_url`, what an admin process does for alerts, in another thread."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    receivers: list[Receiver] = []

    async def serve() -> None:
        async with running_receiver() as receiver:
            receiver.status = status
            receivers.append(receiver)
            if redis_url is None:
                ready.set()
                await stop.wait()
                return
            redis = connect(redis_url)
            async with alerting(redis, receiver.address()):
                while not await redis.exists("{mcpgw}:webhook"):  # noqa: ASYNC110 - another task makes it
                    await asyncio.sleep(0.01)
                ready.set()
                await stop.wait()
            await redis.aclose()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    with ExitStack() as stack:
        thread.start()
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(lambda: loop.call_soon_threadsafe(stop.set))
        assert ready.wait(30)
        yield receivers[0]


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run_command_line(["alert", "list", "--json"]) == 0
    alerts: list[dict[str, object]] = json.loads(capsys.readouterr().out)["items"]
    return alerts


def test_without_a_webhook_the_error_names_the_setting(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["alert", "test"]) == 1
    assert "set GATEWAY_WEBHOOK_URL for `mcp-gateway up` or `mcp-gateway admin`" in capsys.readouterr().err
    assert listed(capsys) == []


def test_the_running_admin_process_sends_the_test(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with running(redis_url) as receiver:
        assert run_command_line(["alert", "test"]) == 0
        assert f"delivered to {receiver.address().host}" in capsys.readouterr().out
        assert [alert["type"] for alert in receiver.alerts] == ["test"]
    [alert] = listed(capsys)
    assert (alert["status"], alert["attempts"], alert["last_error"]) == ("sent", 1, None)


def test_a_receiver_that_refuses_fails_the_command(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with running(redis_url, status=404):
        assert run_command_line(["alert", "test", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["status"] == "waiting"
    assert "status 404: check the path in GATEWAY_WEBHOOK_URL" in printed.err


def test_without_an_admin_process_the_command_sends_the_test(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(None) as receiver:
        address: WebhookAddress = receiver.address()
        monkeypatch.setenv("GATEWAY_WEBHOOK_URL", address.url)
        monkeypatch.setenv("GATEWAY_WEBHOOK_SECRET", "a secret")
        assert run_command_line(["alert", "test"]) == 0
    assert "X-Gateway-Signature" in receiver.requests[0].headers
    assert "T0KEN" not in capsys.readouterr().out
    assert run_command_line(["alert", "list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["TIME", "(UTC)", "TYPE", "SUBJECT", "DELIVERY", "TEXT"]
    assert " test " in row
    assert " sent " in row
