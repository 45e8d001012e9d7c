"""Calls through a proxy with TLS, on the fast path and on the general path."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.tls.pair import PairFiles
from tests.support.certificates import make_pair, trusting
from tests.support.gateway import INITIALIZE, call, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_json, answer_raw, chunk, sse_head
from tests.support.waiting import until


def trusting_session(files: PairFiles) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(files), limit=1))


@pytest.mark.parametrize("fast_path", [True, False])
async def test_calls_are_answered_and_metered_and_the_upstream_learns_the_scheme(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, fast_path: bool
) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": [1, 2]}})
    settings = {"tls_cert": files.certificate, "tls_key": files.key, "fast_path": fast_path}
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, **settings) as gateway:
        key = await gateway.key()
        url = f"https://127.0.0.1:{gateway.port}/mcp"
        async with trusting_session(files) as session:
            for _ in range(3):
                headers = {"Authorization": f"Bearer {key}"}
                async with session.post(url, json=call("get"), headers=headers) as response:
                    assert response.status == 200
                    assert (await response.json())["result"]["structuredContent"] == [1, 2]
        assert len(await gateway.until_events(3)) == 3
    assert [request.values("x-forwarded-proto") for request in upstream.requests] == [[b"https"]] * 3


async def test_the_scheme_that_a_trusted_proxy_names_wins(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    settings = {"tls_cert": files.certificate, "tls_key": files.key, "trusted_proxies": "127.0.0.1"}
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path, **settings) as gateway,
        trusting_session(files) as session,
    ):
        url, headers = f"https://127.0.0.1:{gateway.port}/mcp", {"X-Forwarded-Proto": "http"}
        async with session.post(url, json=INITIALIZE, headers=headers) as response:
            await response.read()
    assert [request.values("x-forwarded-proto") for request in upstream.requests] == [[b"http"]]


async def test_events_of_a_listening_stream_leave_immediately_and_the_client_ends_it(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    event = b"data: " + json.dumps({"jsonrpc": "2.0", "method": "notifications/x"}).encode() + b"\n\n"
    upstream.answer = answer_raw(sse_head() + chunk(event))
    settings = {"tls_cert": files.certificate, "tls_key": files.key}
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path, **settings) as gateway,
        trusting_session(files) as session,
    ):
        headers = {"Authorization": f"Bearer {await gateway.key()}", "Accept": "text/event-stream"}
        response = await session.get(f"https://127.0.0.1:{gateway.port}/mcp", headers=headers)
        assert await response.content.readexactly(len(event)) == event
        assert gateway.metrics.open_streams == 1
        response.close()
        await until(lambda: not gateway.metrics.open_streams)
