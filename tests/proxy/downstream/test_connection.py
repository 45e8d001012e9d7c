"""A connection carries many requests, each authorized separately and each bounded in time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.proxy.downstream.connection import ClientConnection
from tests.proxy.downstream.lines import POST
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
    http,
)
from tests.support.waiting import socket_events
from tests.support.wire import (
    EVIL,
    PING,
    answers_in,
    connection,
    exchange,
    request,
)


async def test_each_request_of_a_connection_is_authorized_separately(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    responses = await exchange(
        gateway,
        request(POST, key=key)
        + request(POST, body=EVIL)
        + request(POST, key="sk-wrong", body=EVIL)
        + request(POST, b"Connection: close", key=key),
    )
    assert [response.status for response in responses] == [200, 401, 401, 200]
    assert [each.body for each in upstream.requests] == [PING, PING]


@pytest.mark.parametrize("path", [b"/healthz", b"/nothing", b"/mcp"])
async def test_a_response_to_head_has_no_body(gateway: Gateway, path: bytes) -> None:
    async with connection(gateway) as (reader, writer):
        writer.write(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + request(POST))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readline()) == b"HTTP/1.1 401 Unauthorized\r\n"


# Cached heads.


async def test_requests_with_the_same_head_and_bodies_of_different_lengths_are_read_completely(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    bodies = [PING, PING + b" " * 1000, PING.ljust(20_000), PING + b" "]
    async with connection(gateway) as (reader, writer):
        for body in bodies:
            raw = request(POST, key=key, body=body)
            for part in (raw[: len(raw) - 30], raw[len(raw) - 30 :]):
                writer.write(part)
                await writer.drain()
                await socket_events()
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    assert [each.body for each in upstream.requests] == bodies


async def test_a_head_that_begins_like_the_cached_one_is_parsed(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    first, other = request(POST, key=key), request(POST, b"X-Other: 1", key=key)
    for cut in (1, len(first) // 2, first.index(b"\r\n\r\n") + 2):
        upstream.requests.clear()
        async with connection(gateway) as (reader, writer):
            for raw in (first, first[:cut], first[cut:], other, first):
                writer.write(raw)
                await writer.drain()
                await socket_events()
            responses = b""
            while responses.count(b"HTTP/1.1 200 ") < 4:
                responses += await reader.read(65_536)
        assert [each.values("x-other") for each in upstream.requests] == [[], [], [b"1"], []]


# Deadlines.


async def test_a_late_head_closes_a_new_and_a_used_connection(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.2) as gateway:
        head = request(POST, key=await gateway.key(), body=b"", length=False)
        for beginning in (b"", b"POST", head[:-2]):
            async with connection(gateway) as (reader, writer):
                writer.write(beginning)
                assert await asyncio.wait_for(reader.read(), 30) == b""
        whole = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(whole + b"POST /mcp")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 30)
    assert [each.body for each in upstream.requests] == [PING]


async def test_an_error_in_one_connection_leaves_the_deadlines_of_others_in_force(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, failed = ClientConnection.check_deadlines, set[ClientConnection]()

    def fails_for_the_first(self: ClientConnection, now: float) -> None:
        if not failed or self in failed:
            failed.add(self)
            raise RuntimeError("an error")
        check(self, now)

    monkeypatch.setattr(ClientConnection, "check_deadlines", fails_for_the_first)
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.3) as gateway:
        for _ in range(2):
            async with connection(gateway) as (reader, writer):
                writer.write(b"POST")
                assert await asyncio.wait_for(reader.read(), 30) == b""


async def test_single_bytes_do_not_extend_the_head_time_out(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.2) as gateway:
        started = time.monotonic()
        async with connection(gateway) as (reader, writer):
            ended = asyncio.create_task(reader.read())
            while not ended.done() and time.monotonic() - started < 2:
                writer.write(b"P" if time.monotonic() == started else b"O")
                await asyncio.sleep(0.02)
            assert ended.done()
            await ended
        assert time.monotonic() - started < 1


async def test_a_request_may_take_longer_than_the_head_time_out(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async def answer_late(_request: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(http(b"{}"))

    upstream.answer = answer_late
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.1) as gateway:
        raw = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(raw[:-5])
            await asyncio.sleep(0)
            # The rest of the body, and with it the beginning of a head that will be late.
            writer.write(raw[-5:] + b"POST")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_a_stopping_worker_receives_a_body_that_is_being_sent(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        raw = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(raw[:-5])
            await socket_events()
            gateway.worker.server.stop_accepting()
            writer.write(raw[-5:])
            (response,) = answers_in(await asyncio.wait_for(reader.read(), 30))
    assert (response.status, response.values("connection")) == (200, ["close"])
    assert [each.body for each in upstream.requests] == [PING]
