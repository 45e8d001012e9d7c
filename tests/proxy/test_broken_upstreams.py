"""Broken upstreams: a response is complete or recognizably incomplete, and a call is sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.certificates import make_certificate
from tests.support.gateway import Gateway, running_gateway
from tests.support.raw_server import RawServer, raw_server, reset
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, chunk, sse_event, sse_head
from tests.support.wire import EVIL as CALL
from tests.support.wire import PING, answers_in, exchange, request

RESULT = b'{"jsonrpc":"2.0","id":2,"result":{"content":[]}}'
LARGE = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 400_000 + b'"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Ending = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.02)
    reset(writer)


async def _stall(_writer: asyncio.StreamWriter) -> None:
    return


def answer_and(raw: bytes, ending: Ending) -> Callable[[Request, asyncio.StreamWriter], Awaitable[None]]:
    """Write these bytes, then end the response in this way."""

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        await ending(writer)

    return respond


def post(key: str, body: bytes = CALL, version: bytes = b"1.1") -> bytes:
    return request(b"POST /mcp HTTP/" + version, b"Connection: close", key=key, body=body)


@pytest.mark.parametrize("ending", [_close, _reset, _stall])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 48\r\n\r\n",
        HEAD + b"Content-Length: 48\r\n\r\n" + RESULT[:-1],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(RESULT),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(RESULT) + b"0\r\n",
    ],
    ids=["nothing", "half a head", "a head", "all but one byte", "no last chunk", "half a last chunk"],
)
async def test_an_incomplete_response_is_502_or_504_by_phase_and_the_call_is_sent_once(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, raw: bytes, ending: Ending
) -> None:
    assert len(RESULT) == 48
    upstream.answer = answer_and(raw, ending)
    seconds = 0.1 if ending is _stall else 5
    async with running_gateway(
        redis, valkey_url, upstream.url, tmp_path, first_byte_timeout=seconds, idle_timeout=seconds
    ) as gateway:
        (response,) = await exchange(gateway, post(await gateway.key()))
        assert response.status == (504 if ending is _stall else 502)
        if ending is _stall:
            assert gateway.metrics.phases == ["idle" if b"\r\n\r\n" in raw else "first_byte"]
        else:
            assert gateway.metrics.phases == ["answer"]
        assert await gateway.events() == []
    assert [each.body for each in upstream.requests] == [CALL]


@pytest.mark.parametrize("ending", [_close, _reset, _stall])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE[:-1],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(LARGE),
        sse_head() + chunk(sse_event({"jsonrpc": "2.0", "method": "notifications/message"}) * 50),
    ],
    ids=["length", "chunks", "stream"],
)
async def test_a_client_can_see_that_a_partly_sent_response_is_incomplete(
    redis: Redis,
    valkey_url: str,
    upstream: ScriptedUpstream,
    tmp_path: Path,
    raw: bytes,
    version: bytes,
    ending: Ending,
) -> None:
    upstream.answer = answer_and(raw, ending)
    seconds = 0.1 if ending is _stall else 5
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, idle_timeout=seconds) as gateway:
        status, is_recognizable = await _is_recognizably_incomplete(gateway, post(await gateway.key(), PING, version))
    assert (status, is_recognizable) == (200, True)
    assert len(upstream.requests) == 1


async def _is_recognizably_incomplete(gateway: Gateway, raw: bytes) -> tuple[int, bool]:
    """Return the status, and True if a client can see that the response is incomplete.

    A length or a last chunk shows that; a response without either, to a client of HTTP/1.0, is reset.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    response, is_reset = b"", False
    writer.write(raw)
    try:
        async with asyncio.timeout(30):
            while piece := await reader.read(65_536):
                response += piece
    except ConnectionError:
        is_reset = True
    writer.close()
    status = int(response[9:12])
    head = response.partition(b"\r\n\r\n")[0].lower()
    if b"content-length" not in head and b"transfer-encoding" not in head:
        return status, is_reset
    try:
        answers_in(response)
    except AssertionError:
        return status, True
    return status, False


async def test_a_response_without_a_length_ends_with_its_connection(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_and(HEAD + b"\r\n" + RESULT, _close)
    (response,) = await exchange(gateway, post(await gateway.key()))
    assert (response.status, response.body) == (200, RESULT)
    assert len(await gateway.events()) == 1


async def test_an_informational_response_is_skipped(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    upstream.answer = answer_raw(early + HEAD + b"Content-Length: 48\r\n\r\n" + RESULT)
    (response,) = await exchange(gateway, post(await gateway.key()))
    assert (response.status, response.body, response.values("link")) == (200, RESULT, [])


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_bodiless_response_is_delivered(gateway: Gateway, upstream: ScriptedUpstream, status: bytes) -> None:
    upstream.answer = answer_raw(b"HTTP/1.1 " + status + b"\r\nX: y\r\n\r\n")
    key = await gateway.key()
    responses = await exchange(gateway, request(key=key) + post(key, PING))
    assert [(each.status, each.body, each.values("x")) for each in responses] == [(int(status[:3]), b"", ["y"])] * 2
    assert upstream.connections == 1


async def test_an_upstream_with_an_untrusted_certificate_is_502_and_with_a_trusted_one_is_used(
    redis: Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, context = make_certificate(tmp_path, "127.0.0.1")

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        await reader.readexactly(len(PING))
        writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")

    async with raw_server(serve, context) as server:
        url = f"https://127.0.0.1:{server.port}/mcp"
        async with running_gateway(redis, valkey_url, url, tmp_path) as gateway:
            (response,) = await exchange(gateway, post(await gateway.key(), PING))
            assert (response.status, gateway.metrics.phases) == (502, ["connect"])
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        async with running_gateway(redis, valkey_url, url, tmp_path) as gateway:
            (response,) = await exchange(gateway, post(await gateway.key(), PING))
            assert (response.status, response.body) == (200, b"{}")
