"""The configurations in the documentation, of nginx, HAProxy and Caddy in front of the gateway."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.integrations.reverse_proxies import (
    CLIENT_ADDRESS,
    GATEWAY_SETTINGS,
    ReverseProxy,
    documented,
    running_proxy,
)
from tests.proxy.streams import PROGRESS, Listening, event, next_event, result
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_json, chunk, sse_head
from tests.support.waiting import until

SHORT_TIMEOUTS = {
    "nginx": {"proxy_read_timeout 1h": "proxy_read_timeout 1s"},
    "haproxy": {"timeout client  1h": "timeout client  1s", "timeout server  1h": "timeout server  1s"},
    "caddy": {"keepalive 60s": "keepalive 60s\n                read_timeout 1s"},
}
"""Changes that let a stream be silent for a second."""
HEADINGS = {"nginx": "nginx", "haproxy": "HAProxy", "caddy": "Caddy"}


@pytest.fixture(params=HEADINGS)
def proxy(request: pytest.FixtureRequest, gateway: Gateway, tmp_path: Path) -> Iterator[ReverseProxy]:
    """Each reverse proxy, as documented."""
    program = str(request.param)
    with running_proxy(program, documented(HEADINGS[program]), gateway.port, tmp_path) as proxy:
        yield proxy


@pytest.fixture
async def pinging_gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A gateway that sends a ping after a silence that is shorter than the time-outs of `SHORT_TIMEOUTS`."""
    settings = {**GATEWAY_SETTINGS, "sse_ping_seconds": 0.3}
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "gateway", **settings) as gateway:
        yield gateway


@pytest.fixture
def stripping_proxy(gateway: Gateway, tmp_path: Path) -> Iterator[ReverseProxy]:
    """nginx, with the documented location that removes a prefix."""
    server = re.sub(
        r"    location = /mcp \{.*?\n    \}\n", lambda _: documented("Prefixes"), documented("nginx"), flags=re.DOTALL
    )
    with running_proxy("nginx", server, gateway.port, tmp_path) as proxy:
        yield proxy


def headers(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **more}


def disconnect(response: aiohttp.ClientResponse) -> None:
    """Close the connection at once: closing waits for the end of TLS, which proxies send only with their next write."""
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.abort()


class SteppedStream:
    """An upstream that responds to a POST with an event stream, and sends each event when the test wants it."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._data: asyncio.Queue[bytes] = asyncio.Queue()
        upstream.answer = self._answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head())
        await writer.drain()
        while data := await self._data.get():
            writer.write(chunk(data))
            await writer.drain()
        writer.write(chunk(b""))

    def send(self, data: bytes) -> None:
        """Send on the stream; nothing ends it."""
        self._data.put_nowait(data)


async def test_a_json_call_is_answered_and_counted_for_the_address_of_the_client(
    proxy: ReverseProxy, gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_json(result(1, rows=3))
    forged = headers(await gateway.key(), **{"X-Forwarded-For": "203.0.113.9"})
    async with proxy.client() as client, client.post(proxy.url(), json=call(), headers=forged) as response:
        assert (response.status, await response.json()) == (200, result(1, rows=3))
    (usage,) = await gateway.until_events(1)
    assert (usage.record_count, usage.client_ip) == (3, CLIENT_ADDRESS)
    (request,) = upstream.requests
    assert request.values("x-forwarded-proto") == [b"https"]


async def test_each_event_of_a_response_arrives_when_it_is_sent(
    proxy: ReverseProxy, gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = SteppedStream(upstream)
    stream.send(event(PROGRESS))
    key = headers(await gateway.key())
    async with proxy.client() as client, client.post(proxy.url(), json=call(), headers=key) as response:
        assert response.content_type == "text/event-stream"
        assert json.loads((await next_event(response.content))["data"]) == PROGRESS
        stream.send(event(result()))
        assert json.loads((await next_event(response.content))["data"]) == result()
        stream.send(b"")
        assert await response.content.read() == b""
    assert [usage.record_count for usage in await gateway.until_events(1)] == [2]


async def test_a_listening_stream_gets_events_and_ends_at_the_upstream_with_its_client(
    proxy: ReverseProxy, gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = Listening(upstream)
    key = headers(await gateway.key())
    async with proxy.client() as client, client.get(proxy.url(), headers=key) as response:
        assert response.status == 200
        for number in range(3):
            await stream.send(event({**PROGRESS, "number": number}))
            assert json.loads((await next_event(response.content))["data"])["number"] == number
        assert upstream.open_connections == 1
        disconnect(response)
    await until(lambda: not upstream.open_connections)


@pytest.mark.parametrize("program", HEADINGS)
async def test_pings_keep_a_stream_open_that_is_silent_for_longer_than_the_time_outs(
    pinging_gateway: Gateway, upstream: ScriptedUpstream, tmp_path: Path, program: str
) -> None:
    stream = Listening(upstream)
    key = headers(await pinging_gateway.key())
    configuration = documented(HEADINGS[program])
    with running_proxy(program, configuration, pinging_gateway.port, tmp_path, SHORT_TIMEOUTS[program]) as proxy:
        async with proxy.client() as client, client.get(proxy.url(), headers=key) as response:
            async with asyncio.timeout(20):
                for _ in range(6):
                    assert await response.content.readline() == b": ping\n"
                    assert await response.content.readline() == b"\n"
            await stream.send(event(PROGRESS))
            assert json.loads((await next_event(response.content))["data"]) == PROGRESS
            disconnect(response)


async def test_below_a_prefix_that_nginx_removes_the_old_transport_announces_the_whole_path(
    stripping_proxy: ReverseProxy, gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    stream = Listening(upstream)
    key = headers(await gateway.key())
    url = stripping_proxy.url("/team/mcp")
    async with stripping_proxy.client() as client, client.get(url, headers=key) as response:
        await stream.send(event("/messages/?session_id=abc", type_="endpoint"))
        endpoint = (await next_event(response.content))["data"]
        assert endpoint == "/team/mcp?session_id=abc"
        async with client.post(stripping_proxy.url(endpoint), json=call(), headers=key) as accepted:
            assert accepted.status == 202
        await stream.send(event(result()))
        assert json.loads((await next_event(response.content))["data"]) == result()
        disconnect(response)
    assert [usage.tool_name for usage in await gateway.until_events(1)] == ["get"]


async def test_a_bad_key_is_told_by_the_gateway(proxy: ReverseProxy) -> None:
    async with proxy.client() as client, client.post(proxy.url(), json=call(), headers=headers("sk-wrong")) as response:
        assert response.status == 401
        assert (await response.json())["error"]["message"] == "Invalid or expired API key"
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="mcp"')
