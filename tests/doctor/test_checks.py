"""The checks of `mcp-gateway doctor`: each problem is found and named together with its fix."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from gateway.doctor import Check, Deployment, run_checks
from gateway.doctor import checks as checks_module
from gateway.keys.secret import ApiKey
from gateway.settings import Settings
from tests.support.valkey import Valkey

KEY = ApiKey.generate().text
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Peer:
    """An HTTP server that stands in for the proxy or the admin process."""

    def __init__(self, handler: Handler) -> None:
        self.runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"


@pytest.fixture
async def peer() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    peers: list[Peer] = []

    async def start(handler: Handler) -> str:
        peers.append(Peer(handler))
        await peers[-1].start()
        return peers[-1].url

    yield start
    for peer in peers:
        await peer.runner.cleanup()


def deployment(tmp_path: Path, **changes: Any) -> Deployment:
    default = Deployment(
        settings=Settings(data_dir=tmp_path / "none"),
        redis_url=None,
        proxy_url="http://127.0.0.1:1/mcp",
        admin_url="http://127.0.0.1:1",
        is_up_running=True,
        are_commands_separate=False,
        key=None,
    )
    return default._replace(**changes)


async def checks_named(target: Deployment, name: str) -> list[Check]:
    return [check for check in await run_checks(target) if check.name == name]


async def only_check(target: Deployment, name: str) -> Check:
    [check] = await checks_named(target, name)
    return check


def proxy(
    *, ready: int = 200, keyless: int = 401, respond: Callable[[str], web.Response] | None = None
) -> tuple[Handler, list[tuple[str, str | None]]]:
    """A proxy in front of a server with a session and two tools, and the list of requests that it received."""
    sent: list[tuple[str, str | None]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/readyz":
            return web.Response(status=ready)
        if request.method == "DELETE":
            sent.append(("DELETE", request.headers.get("Mcp-Session-Id")))
            return web.Response()
        method = json.loads(await request.read())["method"]
        if "Authorization" not in request.headers and method != "initialize":
            return web.Response(status=keyless)
        sent.append((method, request.headers.get("Authorization")))
        if respond is not None:
            return respond(method)
        if method == "initialize":
            result = {"serverInfo": {"name": "stocks"}}
            return web.json_response({"id": 1, "result": result}, headers={"Mcp-Session-Id": "s1"})
        if method == "tools/list":
            event = {"id": 1, "result": {"tools": [{"name": "a"}, {"name": "b"}]}}
            text = ': hello\n\nevent: message\ndata: {"method":"note"}\n\ndata: ' + json.dumps(event) + "\n\n"
            return web.Response(text=text, content_type="text/event-stream")
        return web.Response(status=202)

    return handle, sent


async def test_with_a_key_the_tools_are_listed_and_the_session_is_ended(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, sent = proxy()
    url = await peer(handler)
    target = deployment(tmp_path, proxy_url=url + "/mcp", key=KEY)
    assert (await only_check(target, "proxy")).state == "ok"
    sent.clear()
    assert await only_check(target, "MCP with a key") == Check(
        "MCP with a key", "ok", "stocks lists 2 tools through the proxy"
    )
    bearer = f"Bearer {KEY}"
    assert sent == [
        ("initialize", bearer),
        ("notifications/initialized", bearer),
        ("tools/list", bearer),
        ("DELETE", "s1"),
    ]
    assert (await only_check(target, "key required")).state == "ok"


async def test_without_a_key_only_the_handshake_is_sent(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, sent = proxy()
    target = deployment(tmp_path, proxy_url=await peer(handler) + "/mcp")
    assert (await only_check(target, "MCP")).finding == "stocks answers through the proxy"
    assert (await only_check(target, "MCP with a key")).state == "skipped"
    assert {method for method, _ in sent} == {"initialize"}
    no_public_methods = target._replace(settings=Settings(data_dir=tmp_path, public_methods=()))
    assert await checks_named(no_public_methods, "MCP") == []


async def test_a_proxy_that_accepts_calls_without_a_key_fails(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy(keyless=200)
    check = await only_check(deployment(tmp_path, proxy_url=await peer(handler) + "/mcp"), "key required")
    assert (check.state, check.finding) == ("failed", "tools/list without a key responds with 200")


async def test_a_wrong_path_is_named_with_those_that_the_proxy_serves(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy(keyless=404)
    check = await only_check(deployment(tmp_path, proxy_url=await peer(handler) + "/nope"), "key required")
    assert check.fix == "check the path of the URL: the proxy serves /messages or /mcp (GATEWAY_PROXY_PATHS)"


async def test_a_handshake_without_an_answer_is_a_finding_beside_the_others(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_module, "TIMEOUT", 0.2)
    handler, _ = proxy()

    async def hang_at_the_handshake(request: web.BaseRequest) -> web.StreamResponse:
        if b'"initialize"' in await request.read():
            await asyncio.Event().wait()
        return await handler(request)

    target = deployment(tmp_path, proxy_url=await peer(hang_at_the_handshake) + "/mcp")
    found = {check.name: check for check in await run_checks(target)}
    assert found["key required"].state == "ok"
    assert found["MCP"].finding == "the request failed: timed out"


async def test_https_to_a_proxy_without_tls_is_named(peer: Callable[[Handler], Awaitable[str]], tmp_path: Path) -> None:
    url = (await peer(proxy()[0])).replace("http:", "https:") + "/mcp"
    check = await only_check(deployment(tmp_path, proxy_url=url), "proxy")
    assert (check.state, check.finding) == ("failed", f"the server at {url} does not speak TLS")
    assert "http://" in check.fix


@pytest.mark.parametrize(
    ("ready", "keyless", "message"),
    [(503, 401, "is not ready"), (404, 404, "is not the proxy of this gateway (/readyz: status 404)")],
)
async def test_a_proxy_that_is_not_ready_fails(
    ready: int, keyless: int, message: str, peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, sent = proxy(ready=ready, keyless=keyless)
    check = await only_check(deployment(tmp_path, proxy_url=await peer(handler) + "/mcp", key=KEY), "proxy")
    assert check.state == "failed"
    assert message in check.finding
    assert sent == []


async def test_the_round_trip_is_made_also_if_a_reverse_proxy_routes_only_the_mcp_endpoint(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy(ready=404)
    target = deployment(tmp_path, proxy_url=await peer(handler) + "/team/mcp", key=KEY)
    found = {check.name: check for check in await run_checks(target)}
    assert found["proxy"].state == "warning"
    assert "(status 404)" in found["proxy"].finding
    assert found["MCP with a key"].state == "ok"


def error(status: int, text: str) -> Callable[[str], web.Response]:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": text}}
    return lambda method: web.json_response(body, status=status)


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (error(401, "Invalid or expired API key"), "the key is rejected: Invalid or expired API key"),
        (error(403, "This API key may not be used from the address ::1"), "the response is 403: This API key may not"),
        (error(502, "The upstream\x1b[2J cannot be reached"), "the response is 502: The upstream [2J cannot be"),
        (lambda method: web.Response(text="<html>"), "the response is not a JSON-RPC result"),
        (lambda method: web.Response(text="[" * 100_000), "the response is not a JSON-RPC result"),
        (lambda method: web.Response(status=500), "the response is 500: no reason given"),
    ],
)
async def test_an_error_response_is_reported_with_its_reason(
    respond: Callable[[str], web.Response],
    message: str,
    peer: Callable[[Handler], Awaitable[str]],
    tmp_path: Path,
) -> None:
    handler, _ = proxy(respond=respond)
    check = await only_check(deployment(tmp_path, proxy_url=await peer(handler) + "/mcp", key=KEY), "MCP")
    assert check.state == "failed"
    assert message in check.finding
    assert check.fix
    assert KEY not in str(check)


async def test_a_malformed_key_is_not_sent(peer: Callable[[Handler], Awaitable[str]], tmp_path: Path) -> None:
    handler, sent = proxy()
    target = deployment(tmp_path, proxy_url=await peer(handler) + "/mcp", key=KEY[:-1] + "!")
    check = await only_check(target, "API key")
    assert check.state == "failed"
    assert KEY[:-1] not in str(check)
    assert (await only_check(target, "MCP with a key")).state == "skipped"
    assert sent == []


@pytest.mark.parametrize(
    ("body", "name", "state"),
    [
        ({"status": "ok", "redis": "ok", "clickhouse": "ok"}, "ClickHouse", "ok"),
        ({"status": "unavailable", "redis": "ok", "clickhouse": "unavailable"}, "ClickHouse", "failed"),
        ({"hello": "world"}, "admin API", "failed"),
    ],
)
async def test_the_state_of_clickhouse_comes_from_the_admin_process(
    body: dict[str, str], name: str, state: str, peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=200 if state == "ok" else 503)

    assert (await only_check(deployment(tmp_path, admin_url=await peer(handle)), name)).state == state


async def test_unreachable_engines_are_named_without_passwords(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        upstream_url="http://127.0.0.1:1/mcp",
        clickhouse_url="http://u:hunter2@127.0.0.1:1",
    )
    checks = await run_checks(deployment(tmp_path, settings=settings, redis_url="redis://:hunter2@127.0.0.1:1"))
    failed = {check.name for check in checks if check.state == "failed"}
    assert failed == {"Redis", "ClickHouse", "upstream", "proxy"}
    assert all(check.fix for check in checks if check.state == "failed")
    assert "hunter2" not in str(checks)


async def test_redis_and_its_clock_are_checked(
    redis: Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = deployment(tmp_path, redis_url=valkey_url)
    [check] = await checks_named(target, "Redis")
    assert check.state == "ok"
    assert check.finding.startswith("valkey ")
    assert (await only_check(target, "clock")).state == "ok"
    monkeypatch.setattr(checks_module, "MAX_CLOCK_DIFFERENCE", -1.0)
    assert (await only_check(target, "clock")).state == "failed"


async def test_redis_without_persistence_is_a_warning_and_with_eviction_a_failure(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        async with Redis.from_url(server.url) as client:
            await client.config_set("appendonly", "no")
            await client.config_set("maxmemory-policy", "allkeys-lru")
        checks = await checks_named(deployment(tmp_path, redis_url=server.url), "Redis")
        server.stop()
    assert [check.state for check in checks] == ["ok", "warning", "failed"]
    assert [check.fix for check in checks[1:]] == ["set appendonly yes", "set maxmemory-policy noeviction"]


async def test_a_data_folder_that_other_users_can_read_fails(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    target = deployment(tmp_path, settings=Settings(data_dir=folder))
    assert (await only_check(target, "data folder")).state == "skipped"
    folder.mkdir(mode=0o700)
    (folder / "jwt_secret").touch(mode=0o600)
    assert (await only_check(target, "data folder")).state == "ok"
    os.chmod(folder / "jwt_secret", 0o644)
    check = await only_check(target, "data folder")
    assert (check.state, check.fix) == ("failed", f"chmod go-rwx {folder / 'jwt_secret'}")
    (tmp_path / "file").touch()
    assert (
        await only_check(deployment(tmp_path, settings=Settings(data_dir=tmp_path / "file")), "data folder")
    ).state == "failed"


async def test_ports_in_use_are_named_if_the_gateway_does_not_run(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy()
    port = int((await peer(handler)).rpartition(":")[2])
    settings = Settings(data_dir=tmp_path, proxy_port=port)
    target = deployment(tmp_path, settings=settings, is_up_running=False)
    assert f"{port} is in use" in {check.finding for check in await checks_named(target, "ports")}
    assert (await only_check(target._replace(are_commands_separate=True), "ports")).state == "skipped"
    assert (await only_check(target._replace(is_up_running=True), "ports")).state == "skipped"
