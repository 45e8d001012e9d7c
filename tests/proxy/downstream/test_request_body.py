"""Bodies are bounded in size and time, and are never decompressed."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.keys.cache import KeyCache
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from tests.proxy.downstream.lines import CHUNKED, LENGTH, POST
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
)
from tests.support.waiting import socket_events
from tests.support.wire import (
    PING,
    answers_in,
    assert_all_denied,
    assert_untouched,
    chunked,
    connection,
    exchange,
    request,
)


async def test_a_compressed_body_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    members = gzip.compress(PING) + gzip.compress(b"") * 10_000
    bomb = gzip.compress(b" " * 20_000_000 + PING)
    await assert_all_denied(
        gateway,
        upstream,
        {
            (encoding, len(body)): request(
                POST, b"Content-Encoding: " + encoding, b"Connection: close", key=key, body=body
            )
            for encoding, body in itertools.product(
                (b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"gzip, identity", b"identity, gzip", b"GZIP", b""),
                (members, bomb),
            )
        },
        415,
    )
    unlabelled = request(POST, b"Connection: close", key=key, body=gzip.compress(PING))
    await assert_all_denied(gateway, upstream, {"without saying so": unlabelled}, 400)


async def test_a_charset_other_than_utf_8_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    values = [
        b"; charset=utf-16",
        b"; charset=utf-7",
        b"; charset=utf-16; x=utf-8",
        b"; charset=utf-8x",
        b"; charset=latin-1",
        b"; charset=utf-8; charset=utf-16",
        b"; charset=",
        b"; charset",
        b'; charset="utf-16"',
        b" , text/plain",
        b"\x85",
    ]
    type_ = b"Content-Type: application/json"
    for value in values:
        raw = request(POST, b"Connection: close", key=key).replace(type_, type_ + value)
        await assert_all_denied(gateway, upstream, {value: raw})
    for value in (b"; charset=utf-8", b'; Charset="UTF-8"', b";charset=utf8", b"; profile=x"):
        raw = request(POST, b"Connection: close", key=key).replace(type_, type_ + value)
        assert [response.status for response in await exchange(gateway, raw)] == [200], value


async def test_one_byte_above_the_limit_is_413_before_the_body_is_complete(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_request_bytes=1000) as gateway:
        key, body = await gateway.key(), PING.ljust(1001)
        await assert_all_denied(
            gateway,
            upstream,
            {
                "by length": request(POST, b"Content-Length: 1001", key=key, body=b"", length=False),
                "by length and whole": request(POST, b"Connection: close", key=key, body=body),
                "by chunks": request(POST, CHUNKED, key=key, body=chunked(body, end=b""), length=False),
                "by chunks and whole": request(
                    POST, CHUNKED, key=key, body=chunked(body[:1000], body[1000:]), length=False
                ),
            },
            413,
        )
        at_the_limit = request(POST, CHUNKED, key=key, body=chunked(PING.ljust(1000)), length=False)
        assert [response.status for response in await exchange(gateway, at_the_limit)] == [200]


async def test_a_client_that_keeps_sending_a_rejected_body_is_not_read(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    size = 100_000_000
    async with connection(gateway) as (reader, writer):
        writer.write(request(POST, b"Content-Length: %d" % size, key=await gateway.key(), body=b"", length=False))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        assert b"too large" in await reader.readuntil(b"}}")
        writer.write(b" " * size)
        left = []
        while (size_left := writer.transport.get_write_buffer_size()) and not writer.transport.is_closing():
            left.append(size_left)
            await asyncio.sleep(0.05)
        # Apart from the sockets' own buffers, little was read.
        assert min(left) > size * 0.9
    assert_untouched(upstream)


async def test_without_a_key_only_a_small_body_is_read(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await assert_all_denied(
        gateway,
        upstream,
        {
            "by length": request(POST, b"Content-Length: 70000", body=b"", length=False),
            "by chunks": request(POST, CHUNKED, body=chunked(b" " * 70_000, end=b""), length=False),
        },
        401,
    )


async def test_a_slow_body_is_408(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_body_timeout=0.2) as gateway:
        key = await gateway.key()
        await assert_all_denied(
            gateway,
            upstream,
            {
                "by length": request(POST, LENGTH, key=key, body=PING[:-1], length=False),
                "by chunks": request(POST, CHUNKED, key=key, body=chunked(PING, end=b""), length=False),
                "without a key": request(POST, LENGTH, body=b"", length=False),
            },
            408,
        )


async def test_a_body_that_arrives_during_the_key_lookup_leaves_the_connection_readable(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    large = PING.ljust(400_000)
    async with connection(gateway) as (reader, writer):
        for body in (large, PING, large):
            writer.write(request(POST, key=await gateway.key(), body=body))
            async with asyncio.timeout(30):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    assert [len(each.body) for each in upstream.requests] == [400_000, len(PING), 400_000]


@pytest.fixture
def has_arrived(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Keys are looked up when this is set, so that a whole request can arrive before its handler reads it."""
    find, event = KeyCache.find, asyncio.Event()

    async def find_later(cache: KeyCache, key: ApiKey) -> KeyRecord | None:
        await event.wait()
        return await find(cache, key)

    monkeypatch.setattr(KeyCache, "find", find_later)
    return event


# More than aiohttp parses before its reader begins.
LARGE = PING.ljust(600_000)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_large_body_that_arrives_before_it_is_read_is_forwarded_whole(
    gateway: Gateway, upstream: ScriptedUpstream, has_arrived: asyncio.Event, is_chunked: bool
) -> None:
    key = await gateway.key()
    parts = [LARGE[start : start + 32_768] for start in range(0, len(LARGE), 32_768)]
    raw = (
        request(POST, CHUNKED, key=key, body=chunked(*parts), length=False)
        if is_chunked
        else request(POST, b"Connection: close", key=key, body=LARGE)
    )
    async with connection(gateway) as (reader, writer):
        writer.write(raw)
        await writer.drain()
        await socket_events()
        has_arrived.set()
        assert [response.status for response in answers_in(await reader.read())] == [200]
    assert [each.body for each in upstream.requests] == [LARGE]


async def test_a_response_to_a_large_body_that_is_not_read_says_that_the_connection_closes(
    gateway: Gateway, upstream: ScriptedUpstream, has_arrived: asyncio.Event
) -> None:
    async with connection(gateway) as (reader, writer):
        writer.write(request(POST, key=ApiKey.generate().text, body=LARGE))
        await writer.drain()
        await socket_events()
        has_arrived.set()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nConnection: close\r\n" in head
        assert b"HTTP/1.1" not in await reader.read()
    assert_untouched(upstream)
