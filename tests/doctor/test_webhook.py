"""`doctor` checks the webhook."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.doctor import Check, Deployment
from gateway.doctor.webhook import check_webhook
from gateway.settings import Settings
from gateway.tls.pair import load_context
from tests.alerts.receiver import running_receiver
from tests.support.certificates import make_pair


def deployment(url: str | None, secret: str | None = "a secret", unknown: frozenset[str] = frozenset()) -> Deployment:
    return Deployment(
        settings=Settings.model_validate({"webhook_url": url, "webhook_secret": secret}),
        redis_url=None,
        proxy_url=None,
        admin_url="http://127.0.0.1:1",
        is_up_running=False,
        are_commands_separate=False,
        key=None,
        unknown_secrets=unknown,
    )


async def only_check(target: Deployment) -> Check:
    [check] = await check_webhook(target)
    assert not any(part in str(check) for part in ("T0KEN", "hush"))
    return check


async def test_a_receiver_that_accepts_connections_is_fine_and_gets_nothing() -> None:
    async with running_receiver() as receiver:
        check = await only_check(deployment(receiver.address().url))
        assert (check.state, check.fix) == ("ok", "")
        assert receiver.requests == []


async def test_without_a_secret_there_is_a_warning() -> None:
    async with running_receiver() as receiver:
        url = receiver.address().url
        connection, signature = await check_webhook(deployment(url, None))
        assert (connection.state, signature.state) == ("ok", "warning")
        assert "GATEWAY_WEBHOOK_SECRET" in signature.fix
        assert len(await check_webhook(deployment(url, None, frozenset({"webhook_secret"})))) == 1


async def test_a_receiver_that_is_away_is_named_by_its_host(free_port: int) -> None:
    check = await only_check(deployment(f"http://user:hush@127.0.0.1:{free_port}/T0KEN"))
    assert check.state == "failed"
    assert check.finding.startswith(f"127.0.0.1:{free_port} cannot be reached (")
    assert "GATEWAY_WEBHOOK_URL" in check.fix


async def test_the_certificate_of_the_receiver_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_pair(tmp_path, "localhost")
    async with await asyncio.start_server(_close, "localhost", 0, ssl=load_context(files)) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/T0KEN"
        rejected = await only_check(deployment(url))
        trusting = ssl.create_default_context(cafile=str(files.certificate))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        accepted = await only_check(deployment(url))
    assert (rejected.state, rejected.fix) == ("failed", "set SSL_CERT_FILE to the PEM file of its issuer")
    assert accepted.state == "ok"


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_a_receiver_without_tls_is_told() -> None:
    async with running_receiver() as receiver:
        check = await only_check(deployment(receiver.address().url.replace("http:", "https:")))
    assert (check.state, check.fix) == ("failed", "write http:// in GATEWAY_WEBHOOK_URL")


async def test_without_a_url_the_check_is_skipped_and_names_the_setting() -> None:
    check = await only_check(deployment(None))
    assert (check.state, "GATEWAY_WEBHOOK_URL" in check.finding) == ("skipped", True)
    check = await only_check(deployment(None, unknown=frozenset({"webhook_url"})))
    assert (check.state, "alert test" in check.finding) == ("skipped", True)
