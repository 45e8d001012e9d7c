"""The doctor: each thing that can be wrong is seen, named and given its mend."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from gateway.doctor import Check, Subject, examine
from gateway.doctor import checks as checks_module
from gateway.keys.secret import ApiKey
from gateway.settings import Settings
from tests.support.valkey import Valkey

KEY = ApiKey.generate().text
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Peer:
    """An HTTP server in the place of the proxy, or of the admin process."""

    def __init__(self, handler: Handler) -> None:
        self.runner = web.ServerRunner(web.Server(handler))
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
    for running in peers:
        await running.runner.cleanup()


def subject(tmp_path: Path, **changes: Any) -> Subject:
    usual = Subject(
        settings=Settings(data_dir=tmp_path / "none"),
        redis_url=None,
        proxy_url="http://127.0.0.1:1/mcp",
        admin_url="http://127.0.0.1:1",
        is_up_running=True,
        is_role_configured=False,
        key=None,
    )
    return usual._replace(**changes)


async def seen(given: Subject, name: str) -> list[Check]:
    return [check for check in await examine(given) if check.name == name]


async def the(given: Subject, name: str) -> Check:
    [check] = await seen(given, name)
    return check


def proxy(
    *, ready: int = 200, keyless: int = 401, answer: Callable[[str], web.Response] | None = None
) -> tuple[Handler, list[tuple[str, str | None]]]:
    """A proxy before a server with a session and two tools; what it was sent is written down."""
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
        if answer is not None:
            return answer(method)
        if method == "initialize":
            result = {"serverInfo": {"name": "stocks"}}
            return web.json_response({"id": 1, "result": result}, headers={"Mcp-Session-Id": "s1"})
        if method == "tools/list":
            event = {"id": 1, "result": {"tools": [{"name": "a"}, {"name": "b"}]}}
            text = ': hello\n\nevent: message\ndata: {"method":"note"}\n\ndata: ' + json.dumps(event) + "\n\n"
            return web.Response(text=text, content_type="text/event-stream")
        return web.Response(status=202)

    return handle, sent


async def test_a_round_trip_lists_the_tools_and_ends_its_session(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, sent = proxy()
    url = await peer(handler)
    given = subject(tmp_path, proxy_url=url + "/mcp", key=KEY)
    assert (await the(given, "proxy")).state == "ok"
    sent.clear()
    assert await the(given, "MCP with a key") == Check("MCP with a key", "ok", "stocks lists 2 tools through the proxy")
    bearer = f"Bearer {KEY}"
    assert sent == [
        ("initialize", bearer),
        ("notifications/initialized", bearer),
        ("tools/list", bearer),
        ("DELETE", "s1"),
    ]
    assert (await the(given, "key required")).state == "ok"


async def test_without_a_key_only_the_handshake_is_made(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, sent = proxy()
    given = subject(tmp_path, proxy_url=await peer(handler) + "/mcp")
    assert (await the(given, "MCP")).seen == "stocks answers through the proxy"
    assert (await the(given, "MCP with a key")).state == "skipped"
    assert {method for method, _ in sent} == {"initialize"}
    everything_needs_a_key = given._replace(settings=Settings(data_dir=tmp_path, public_methods=()))
    assert await seen(everything_needs_a_key, "MCP") == []


async def test_a_proxy_that_lets_calls_through_without_a_key_is_a_failure(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy(keyless=200)
    check = await the(subject(tmp_path, proxy_url=await peer(handler) + "/mcp"), "key required")
    assert (check.state, check.seen) == ("failed", "tools/list without a key is answered 200")


@pytest.mark.parametrize(
    ("ready", "says"), [(503, "is not ready"), (404, "is no proxy of this gateway (/readyz is 404)")]
)
async def test_a_proxy_that_is_not_ready_is_a_failure(
    ready: int, says: str, peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy(ready=ready)
    check = await the(subject(tmp_path, proxy_url=await peer(handler) + "/mcp"), "proxy")
    assert check.state == "failed"
    assert says in check.seen


def error(status: int, message: str) -> Callable[[str], web.Response]:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": message}}
    return lambda method: web.json_response(body, status=status)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(401, "Invalid or expired API key"), "the key is refused: Invalid or expired API key"),
        (error(502, "The upstream\x1b[2J cannot be reached"), "the answer is 502: The upstream [2J cannot be"),
        (lambda method: web.Response(text="<html>"), "the answer is no JSON-RPC result"),
        (lambda method: web.Response(text="[" * 100_000), "the answer is no JSON-RPC result"),
        (lambda method: web.Response(status=500), "the answer is 500: no reason given"),
    ],
)
async def test_a_broken_round_trip_says_what_came_back(
    answer: Callable[[str], web.Response],
    says: str,
    peer: Callable[[Handler], Awaitable[str]],
    tmp_path: Path,
) -> None:
    handler, _ = proxy(answer=answer)
    check = await the(subject(tmp_path, proxy_url=await peer(handler) + "/mcp", key=KEY), "MCP")
    assert check.state == "failed"
    assert says in check.seen
    assert check.mend
    assert KEY not in str(check)


async def test_a_mistyped_key_is_not_sent(peer: Callable[[Handler], Awaitable[str]], tmp_path: Path) -> None:
    handler, sent = proxy()
    given = subject(tmp_path, proxy_url=await peer(handler) + "/mcp", key=KEY[:-1] + "!")
    check = await the(given, "MCP with a key")
    assert check.state == "failed"
    assert KEY[:-1] not in str(check)
    assert sent == []


@pytest.mark.parametrize(
    ("body", "name", "state"),
    [
        ({"status": "ok", "redis": "ok", "clickhouse": "ok"}, "ClickHouse", "ok"),
        ({"status": "unavailable", "redis": "ok", "clickhouse": "unavailable"}, "ClickHouse", "failed"),
        ({"hello": "world"}, "admin API", "failed"),
    ],
)
async def test_the_admin_process_is_asked_for_clickhouse(
    body: dict[str, str], name: str, state: str, peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=200 if state == "ok" else 503)

    assert (await the(subject(tmp_path, admin_url=await peer(handle)), name)).state == state


async def test_configured_engines_that_are_away_are_named_without_passwords(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        upstream_url="http://127.0.0.1:1/mcp",
        clickhouse_url="http://u:hunter2@127.0.0.1:1",
    )
    found = await examine(subject(tmp_path, settings=settings, redis_url="redis://:hunter2@127.0.0.1:1"))
    failed = {check.name for check in found if check.state == "failed"}
    assert failed == {"Redis", "ClickHouse", "upstream", "proxy"}
    assert all(check.mend for check in found if check.state == "failed")
    assert "hunter2" not in str(found)


async def test_redis_and_its_clock_are_looked_at(
    redis: Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = subject(tmp_path, redis_url=valkey_url)
    [check] = await seen(given, "Redis")
    assert check.state == "ok"
    assert check.seen.startswith("valkey ")
    assert (await the(given, "clock")).state == "ok"
    monkeypatch.setattr(checks_module, "MAX_CLOCK_DIFFERENCE", -1.0)
    assert (await the(given, "clock")).state == "failed"


async def test_a_redis_that_forgets_is_a_warning_and_one_that_evicts_a_failure(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        async with Redis.from_url(server.url) as client:
            await client.config_set("appendonly", "no")
            await client.config_set("maxmemory-policy", "allkeys-lru")
        found = await seen(subject(tmp_path, redis_url=server.url), "Redis")
        server.stop()
    assert [check.state for check in found] == ["ok", "warning", "failed"]
    assert [check.mend for check in found[1:]] == ["set appendonly yes", "set maxmemory-policy noeviction"]


async def test_a_data_folder_that_others_may_read_is_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    given = subject(tmp_path, settings=Settings(data_dir=folder))
    assert (await the(given, "data folder")).state == "skipped"
    folder.mkdir(mode=0o700)
    (folder / "jwt_secret").touch(mode=0o600)
    assert (await the(given, "data folder")).state == "ok"
    os.chmod(folder / "jwt_secret", 0o644)
    check = await the(given, "data folder")
    assert (check.state, check.mend) == ("failed", f"chmod go-rwx {folder / 'jwt_secret'}")
    (tmp_path / "file").touch()
    assert (
        await the(subject(tmp_path, settings=Settings(data_dir=tmp_path / "file")), "data folder")
    ).state == "failed"


async def test_ports_in_use_are_named_where_nothing_of_ours_runs(
    peer: Callable[[Handler], Awaitable[str]], tmp_path: Path
) -> None:
    handler, _ = proxy()
    port = int((await peer(handler)).rpartition(":")[2])
    settings = Settings(data_dir=tmp_path, proxy_port=port)
    given = subject(tmp_path, settings=settings, is_up_running=False)
    assert f"{port} is in use" in {check.seen for check in await seen(given, "ports")}
    assert (await the(given._replace(is_role_configured=True), "ports")).state == "skipped"
    assert (await the(given._replace(is_up_running=True), "ports")).state == "skipped"
