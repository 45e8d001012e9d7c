"""`doctor` checks the TLS certificate: the one that is served, or the one in the files if the proxy does not run."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.doctor import Check, Deployment, run_checks
from gateway.doctor.certificate import check_certificate
from gateway.settings import Settings
from gateway.tls.pair import PairFiles, load_context
from tests.support.certificates import make_pair

MONTH = datetime.timedelta(days=30)
Serve = Callable[[PairFiles], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve TLS with a pair; returns the port."""
    servers: list[asyncio.Server] = []

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()

    async def start(files: PairFiles) -> int:
        servers.append(await asyncio.start_server(until_closed, "127.0.0.1", 0, ssl=load_context(files)))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


def deployment(files: PairFiles | None, port: int, public_url: str | None = None) -> Deployment:
    settings = Settings(
        tls_cert=files.certificate if files else None,
        tls_key=files.key if files else None,
        proxy_port=port,
        public_url=public_url,
    )
    return Deployment(
        settings=settings,
        redis_url=None,
        proxy_url=f"https://127.0.0.1:{port}/mcp",
        admin_url="https://127.0.0.1:1",
        is_up_running=True,
        are_commands_separate=False,
        key=None,
    )


async def only_check(target: Deployment) -> Check:
    [check] = await check_certificate(target)
    return check


async def test_without_tls_nothing_is_checked(free_port: int) -> None:
    assert await check_certificate(deployment(None, free_port)) == []


async def test_the_certificate_in_the_files_that_is_served_is_ok(serve: Serve, tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1", valid=MONTH)
    check = await only_check(deployment(files, await serve(files)))
    assert (check.state, check.finding[:33]) == ("ok", "is valid for 127.0.0.1, until 202"[:33])


async def test_another_certificate_than_the_one_in_the_files_is_a_failure(serve: Serve, tmp_path: Path) -> None:
    port = await serve(make_pair(tmp_path, "127.0.0.1", valid=MONTH))
    check = await only_check(deployment(make_pair(tmp_path, "127.0.0.1", valid=MONTH), port))
    assert (check.state, check.finding) == (
        "failed",
        "the proxy serves another certificate than GATEWAY_TLS_CERT names",
    )


@pytest.mark.parametrize(("days", "state"), [(-1, "failed"), (1, "warning")])
async def test_the_end_of_the_certificate_is_a_warning_and_then_a_failure(
    serve: Serve, tmp_path: Path, days: int, state: str
) -> None:
    files = make_pair(tmp_path, "127.0.0.1", valid=datetime.timedelta(days=days))
    check = await only_check(deployment(files, await serve(files)))
    assert check.state == state
    assert "expire" in check.finding


async def test_a_name_of_clients_that_the_certificate_does_not_have_is_a_warning(serve: Serve, tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1", valid=MONTH)
    check = await only_check(deployment(files, await serve(files), "https://mcp.example.com/mcp"))
    assert (check.state, check.finding) == ("warning", "is valid for 127.0.0.1, and not for mcp.example.com")


async def test_without_a_running_proxy_the_files_are_checked(free_port: int, tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1", valid=MONTH)
    assert (await only_check(deployment(files, free_port))).state == "ok"
    files.key.write_bytes(b"")
    check = await only_check(deployment(files, free_port))
    assert check.state == "failed"
    assert check.finding == "GATEWAY_TLS_KEY names a file without a private key in PEM (-----BEGIN PRIVATE KEY-----)"
    assert check.fix.startswith("convert it to PEM")


async def test_an_admin_api_whose_certificate_is_not_accepted_is_not_said_to_be_stopped(
    serve: Serve, tmp_path: Path
) -> None:
    port = await serve(make_pair(tmp_path, "127.0.0.1", valid=MONTH))
    target = deployment(None, port)._replace(admin_url=f"https://127.0.0.1:{port}")
    [check] = [check for check in await run_checks(target) if check.name == "admin API"]
    assert check.state == "failed"
    assert check.finding.startswith(f"the certificate at https://127.0.0.1:{port} is not accepted")
    assert "SSL_CERT_FILE" in check.fix
