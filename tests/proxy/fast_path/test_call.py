"""However a call on the fast path ends, it is counted once, in order, and leaks nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.proxy.fast_path.call import FastPathCall
from gateway.proxy.upstream.connection import ConnectionState, UpstreamConnection
from gateway.proxy.upstream.pool import UpstreamPool
from tests.proxy.keep_alive import (
    SINGLE_RESULT,
    KeepAliveClient,
    PathRecorder,
    PausedUpstream,
    keep_alive,
    limited_gateway,
    warm_client,
    without_date,
)
from tests.support.blocked import until_blocked
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, chunk, http, sse_head
from tests.support.valkey import Valkey
from tests.support.waiting import socket_events, until
from tests.support.wire import answers_in

OTHER = http(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}')
PROGRESS = chunk(b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n')
CANCELS = b"MCP-Protocol-Version: 2026-07-28"
"""The revision in which closing the stream cancels the call."""


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> PathRecorder:
    return PathRecorder(monkeypatch)


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> AsyncIterator[Gateway]:
    async with limited_gateway(redis, valkey_url, upstream, tmp_path) as gateway:
        yield gateway


async def counted(gateway: Gateway, events: int) -> None:
    """Wait until exactly so many calls are counted."""
    await gateway.until_events(events)
    # An event too many would follow soon.
    await asyncio.sleep(0.02)
    found = await gateway.events()
    assert len(found) == len({event.event_id for event in found}) == events


# The client disconnects.


@pytest.mark.parametrize("fields", [(), (b"Mcp-Session-Id: s",)], ids=["no session", "session"])
@pytest.mark.parametrize("raw", [http(SINGLE_RESULT), OTHER], ids=["single-result", "other"])
async def test_a_call_whose_client_disconnects_before_the_response_goes_on_and_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, fields: tuple[bytes, ...], raw: bytes
) -> None:
    async with warm_client(gateway, upstream, await gateway.key(), *fields) as client:
        paused = PausedUpstream(upstream, raw)
        client.send(call())
        await paused.arrived.wait()
        client.disconnect()
        await until(lambda: gateway.metrics.reasons[-1] == "client_left")
        assert gateway.active_requests == 0
        paused.release.set()
        await counted(gateway, 2)
    assert paths.taken == ["general", "fast"]
    assert gateway.metrics.reasons == ["forwarded", "client_left"]


async def test_a_call_of_2026_07_28_whose_client_disconnects_is_ended_upstream(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    async with warm_client(gateway, upstream, await gateway.key(), CANCELS) as client:
        paused = PausedUpstream(upstream)
        client.send(call())
        await paused.arrived.wait()
        client.disconnect()
        await until(lambda: gateway.pool.connections == [])
        paused.release.set()
        await until(lambda: gateway.metrics.reasons == ["forwarded", "client_left"])
        await counted(gateway, 1)
    assert paths.taken == ["general", "fast"]


@pytest.mark.parametrize("cuts", [1, 30, len(http(SINGLE_RESULT)) - len(SINGLE_RESULT), len(http(SINGLE_RESULT)) - 1])
async def test_a_call_whose_client_disconnects_during_the_response_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, cuts: int
) -> None:
    raw = http(SINGLE_RESULT)
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        paused = PausedUpstream(upstream, raw[cuts:])
        client.send(call())
        await paused.arrived.wait()
        assert paused.writer is not None
        paused.writer.write(raw[:cuts])
        await socket_events()
        client.disconnect()
        await until(lambda: gateway.metrics.reasons[-1] == "client_left")
        paused.release.set()
        await counted(gateway, 2)
    assert paths.taken[:2] == ["general", "fast"]


@pytest.mark.parametrize("raw", [http(SINGLE_RESULT), OTHER], ids=["single-result", "other"])
@pytest.mark.parametrize("fields", [(), (CANCELS,)], ids=["goes on", "cancels"])
async def test_a_client_that_disconnects_as_its_response_arrives_leaks_nothing(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, fields: tuple[bytes, ...], raw: bytes
) -> None:
    key = await gateway.key()
    for round_ in range(5):
        events = len(await gateway.events())
        async with raw_client(gateway) as client:
            one = KeepAliveClient(None, None, key, fields, b"1.1").encode(call())  # type: ignore[arg-type]
            upstream.answer = answer_raw(http(SINGLE_RESULT))
            await asyncio.get_running_loop().sock_sendall(client, one)
            assert (await asyncio.get_running_loop().sock_recv(client, 65_536)).endswith(SINGLE_RESULT)
            paused = PausedUpstream(upstream, b"")
            await asyncio.get_running_loop().sock_sendall(client, one)
            await paused.arrived.wait()
            assert paused.writer is not None
            # Both arrive in the same turn of the event loop: the end of the client, then the response.
            client.close()
            paused.writer.write(raw)
            await until(lambda: len(gateway.metrics.reasons) == 2 * round_ + 2)  # noqa: B023
            paused.release.set()
        await until(lambda: gateway.active_requests == 0)
        if not fields:
            await counted(gateway, events + 2)
    assert paths.taken.count("fast") == 5


@contextlib.asynccontextmanager
async def raw_client(gateway: Gateway) -> AsyncIterator[socket.socket]:
    """A plain client socket with a small receive buffer."""
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", gateway.port))
        yield client


@contextlib.asynccontextmanager
async def recording_usage(gateway: Gateway, client: KeepAliveClient) -> AsyncIterator[None]:
    """Within the context, a call has a response, and Redis is paused before its usage event is recorded."""
    await gateway.redis.client_pause(60_000, all=False)
    try:
        client.send(call())
        await until_blocked(gateway.redis, "evalsha")
        yield
    finally:
        await gateway.redis.client_unpause()


async def test_a_call_whose_client_disconnects_while_its_usage_event_is_recorded_is_counted_once(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        async with recording_usage(gateway, client):
            client.disconnect()
            await until(lambda: gateway.metrics.reasons[-1] == "client_left")
            assert gateway.active_requests == 0
        await counted(gateway, 2)
    assert paths.taken == ["general", "fast"]
    assert gateway.metrics.reasons == ["forwarded", "client_left"]


async def test_no_byte_of_a_response_is_sent_before_its_usage_event_is_durable(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        async with recording_usage(gateway, client):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.reader.read(1)
        assert (await client.read_response()).endswith(SINGLE_RESULT)
    assert paths.taken == ["general", "fast"]
    await counted(gateway, 2)


async def test_a_call_whose_client_disconnects_during_a_large_response_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    raw = http(SINGLE_RESULT.replace(b"[1,2]", b"[" + b"0," * 90_000 + b"0]"))
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        paused = PausedUpstream(upstream, raw[100_000:])
        client.send(call())
        await paused.arrived.wait()
        assert paused.writer is not None
        paused.writer.write(raw[:100_000])
        await paused.writer.drain()
        await until(lambda: any(connection.unread_bytes for connection in gateway.pool.connections))
        client.disconnect()
        await until(lambda: gateway.metrics.reasons[-1] == "client_left")
        paused.release.set()
        await counted(gateway, 2)
    assert paths.taken == ["general", "fast"]
    assert [event.response_bytes for event in await gateway.events()] == [
        len(SINGLE_RESULT),
        len(raw.partition(b"\r\n\r\n")[2]),
    ]


# Pipelined requests.


async def by_id(request: Request, writer: asyncio.StreamWriter) -> None:
    """Respond to most calls with a single-result response, and to some with others."""
    id_ = request.message["id"]
    body = SINGLE_RESULT.replace(b'"id":1', b'"id":%d' % id_)
    if id_ % 7 == 3:
        body = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"no"}}' % id_
    if id_ % 5 == 2:
        event = chunk(b"data: " + body + b"\n\n")
        writer.write(sse_head() + (PROGRESS if id_ % 2 else b"") + event + chunk(b""))
    else:
        writer.write(http(body))


@pytest.mark.parametrize("size", [1, 700, 4096, 1_000_000])
async def test_pipelined_requests_are_answered_in_order_and_counted_once_each(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, size: int
) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        upstream.answer = by_id
        messages = [call(id_=id_) | ({} if id_ % 11 else {"method": "ping"}) for id_ in range(2, 42)]
        sent = b"".join(map(client.encode, messages))

        async def send() -> None:
            for start in range(0, len(sent), size):
                client.writer.write(sent[start : start + size])
                await client.writer.drain()
                await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        for id_ in range(2, 42):
            (response,) = answers_in(await client.read_response())
            assert response.status == 200
            assert b'"id":%d,' % id_ in response.body
        await sending
    assert [request.message["id"] for request in upstream.requests] == list(range(2, 42))
    await counted(gateway, 1 + sum(id_ % 11 > 0 for id_ in range(2, 42)))
    assert sorted(int(event.request_id) for event in (await gateway.events())[1:]) == [
        id_ for id_ in range(2, 42) if id_ % 11
    ]
    assert size < 4096 or paths.taken.count("fast") > 10
    assert gateway.metrics.reasons == ["forwarded"] * 41


async def test_a_client_that_does_not_read_is_held_back_and_gets_every_response_later(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    calls = 150
    rows = b"[" + b",".join(b'{"n":%d}' % n for n in range(8000)) + b"]"

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(SINGLE_RESULT.replace(b"[1,2]", rows).replace(b'"id":1', b'"id":%d' % request.message["id"])))

    upstream.answer = respond
    loop, key = asyncio.get_running_loop(), await gateway.key()
    async with raw_client(gateway) as client:
        one = KeepAliveClient(None, None, key, (), b"1.1")  # type: ignore[arg-type]
        for id_ in range(calls):
            await loop.sock_sendall(client, one.encode(call(id_=id_)))
        await until(lambda: gateway.unwritten_bytes)
        await asyncio.sleep(0.1)
        held_back = len(upstream.requests)
        await asyncio.sleep(0.1)
        assert len(upstream.requests) == held_back < calls
        assert gateway.unwritten_bytes < 1_000_000
        reader, writer = await asyncio.open_connection(sock=client, limit=2**20)
        waiting = KeepAliveClient(reader, writer, key, (), b"1.1")
        responses = [answers_in(await waiting.read_response())[0] for _ in range(calls)]
        writer.transport.abort()
    assert [response.json["id"] for response in responses] == list(range(calls))
    assert paths.taken.count("fast") > calls // 2
    await counted(gateway, calls)
    assert {event.record_count for event in await gateway.events()} == {8000}


# Draining, and errors in the gateway.


@contextlib.asynccontextmanager
async def stopping(
    redis: Redis, url: str, upstream: ScriptedUpstream, folder: Path, drain_timeout: float
) -> AsyncIterator[tuple[Gateway, KeepAliveClient, PausedUpstream, asyncio.Task[None]]]:
    """A gateway that drains while a call on the fast path waits for its response."""
    async with contextlib.AsyncExitStack() as stack:
        running = running_gateway(redis, url, upstream.url, folder, drain_timeout=drain_timeout)
        gateway = await running.__aenter__()
        client = await stack.enter_async_context(
            warm_client(gateway, upstream, await gateway.key(), b"Mcp-Session-Id: s")
        )
        paused = PausedUpstream(upstream)
        client.send(call())
        await paused.arrived.wait()
        port = gateway.port
        stop = asyncio.ensure_future(running.__aexit__(None, None, None))
        await until(lambda: is_refused(port))
        yield gateway, client, paused, stop  # type: ignore[misc]
        await stop


async def is_refused(port: int) -> bool:
    """Return True if nothing listens on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_a_call_in_flight_is_answered_while_draining_and_its_connection_closed(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> None:
    async with stopping(redis, valkey_url, upstream, tmp_path, 10) as (gateway, client, paused, _):
        paused.release.set()
        raw = await client.read_response()
        assert b"\r\nConnection: close\r\n" in raw
        assert raw.endswith(SINGLE_RESULT)
        assert await client.reader.read() == b""
    assert paths.taken == ["general", "fast"]
    await counted(gateway, 2)


async def test_a_call_without_a_response_is_cancelled_after_the_drain_timeout(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> None:
    async with stopping(redis, valkey_url, upstream, tmp_path, 0.2) as (gateway, client, paused, stop):
        await stop
        assert await client.read_response() == b""
        paused.release.set()
    assert paths.taken == ["general", "fast"]
    assert gateway.metrics.reasons == ["forwarded", "client_left"]
    assert gateway.active_requests == 0
    await counted(gateway, 1)


@pytest.mark.parametrize(
    "raw", [http(SINGLE_RESULT), sse_head() + chunk(b"data: " + SINGLE_RESULT + b"\n\n") + chunk(b"")]
)
async def test_a_response_whose_usage_cannot_be_recorded_is_503_on_both_paths_and_none_of_it_is_sent(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder, raw: bytes
) -> None:
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(
            own, valkey.url, upstream.url, tmp_path, usage_spool_max_bytes=1, max_concurrent_requests=1
        ) as gateway,
    ):
        key = await gateway.key()
        origin = b"Origin: http://localhost:5173"
        async with (
            warm_client(gateway, upstream, key, origin) as client,
            keep_alive(gateway, key, origin) as other,
        ):
            upstream.answer = answer_raw(raw)
            valkey.kill()
            responses = [without_date(await client.exchange(call())), without_date(await other.exchange(call()))]
        assert paths.taken == ["general", "fast", "general"]
        assert responses[0] == responses[1]
        assert responses[0].startswith(b"HTTP/1.1 503 ")
        assert b"prices" not in responses[0]
        assert b"\r\nAccess-Control-Allow-Origin: http://localhost:5173\r\n" in responses[0]
        assert gateway.metrics.reasons[1] == gateway.metrics.reasons[2] != "forwarded"
        assert gateway.active_requests == 0
        valkey.start()
        assert len(await gateway.events()) == 1


async def test_a_call_beyond_the_concurrency_limit_is_503_on_both_paths_and_later_ones_are_served(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    key = await gateway.key()
    async with warm_client(gateway, upstream, key) as first, warm_client(gateway, upstream, key) as second:
        paused = PausedUpstream(upstream)
        first.send(call())
        await paused.arrived.wait()
        refused = without_date(await second.exchange(call()))
        assert refused.startswith(b"HTTP/1.1 503 ")
        async with keep_alive(gateway, key) as third:
            assert without_date(await third.exchange(call())) == refused
        paused.release.set()
        assert (await first.read_response()).endswith(SINGLE_RESULT)
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        assert (await second.exchange(call())).endswith(SINGLE_RESULT)
    assert paths.taken == ["general", "general", "fast", "general", "general", "fast"]
    await counted(gateway, 4)


@pytest.mark.parametrize("where", ["meter", "head", "event"])
async def test_an_error_in_the_gateway_is_logged_and_500_on_both_paths_and_leaks_nothing(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    paths: PathRecorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    def fails(*_arguments: Any, **_named: Any) -> Any:
        raise RuntimeError("a fault")

    key = await gateway.key()
    responses = []
    async with warm_client(gateway, upstream, key) as client, keep_alive(gateway, key) as other:
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        with monkeypatch.context() as faulty:
            if where == "meter":
                faulty.setattr("gateway.metering.meter_decoded", fails)
            elif where == "head":
                faulty.setattr("gateway.proxy.accounting.usage_events.arguments_hash", fails)
                faulty.setattr("gateway.proxy.fast_path.call.arguments_hash", fails)
            else:
                faulty.setattr(gateway.worker.stores.usage, "submit", fails)
                faulty.setattr(gateway.worker.stores.usage, "submit_callback", fails)
            responses = [without_date(await client.exchange(call())), without_date(await other.exchange(call()))]
            assert await client.is_closed()
            assert await other.is_closed()
    assert responses[0] == responses[1]
    assert responses[0].startswith(b"HTTP/1.1 500 ")
    assert paths.taken == ["general", "fast", "fell back", "general"]
    assert gateway.metrics.reasons == ["forwarded", "internal", "internal"]
    assert len(caplog.records) == 2
    await counted(gateway, 1)


async def test_the_stream_of_a_revoked_key_is_closed_even_in_the_middle_of_its_only_event(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    record, key = await gateway.new_key()
    async with warm_client(gateway, upstream, key) as client:
        raw = sse_head() + chunk(b"data: " + SINGLE_RESULT + b"\n\n") + chunk(b"")
        paused = PausedUpstream(upstream, raw[-50:])
        client.send(call())
        await paused.arrived.wait()
        assert paused.writer is not None
        paused.writer.write(raw[:-50])
        await until(lambda: any(connection.unread_bytes for connection in gateway.pool.connections))
        await gateway.keys.revoke(record.key_id)
        # The rest was not sent: without the check of the key, the client would still wait.
        assert await client.read_response() == b""
        paused.release.set()
        await counted(gateway, 2)
    assert paths.taken[:2] == ["general", "fast"]


async def test_a_call_on_the_fast_path_creates_no_task(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        before = len(asyncio.all_tasks())
        paused = PausedUpstream(upstream)
        client.send(call())
        await paused.arrived.wait()
        assert len(asyncio.all_tasks()) == before
        paused.release.set()
        await client.read_response()
    assert paths.taken == ["general", "fast"]


async def test_calls_on_the_fast_path_are_garbage_collected(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder
) -> None:
    gc.collect()
    earlier = {id(thing) for thing in gc.get_objects() if isinstance(thing, FastPathCall)}
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        for raw in (http(SINGLE_RESULT), OTHER, http(SINGLE_RESULT)):
            upstream.answer = answer_raw(raw)
            await client.exchange(call())
        del raw

        def remaining() -> int:
            found = (thing for thing in gc.get_objects() if isinstance(thing, FastPathCall))
            return sum(id(thing) not in earlier for thing in found)

        await until(lambda: remaining() <= 1)
    assert paths.taken == ["general", "fast", "fast", "fell back", "fast"]


# Random clients and responses.


class RandomUpstream:
    """An upstream with random responses; `answered` has the ids of the calls that got a complete one."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.answered: list[int] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        id_, random = request.message["id"], self._random
        body = SINGLE_RESULT.replace(b'"id":1', b'"id":%d' % id_)
        if random.random() < 0.2:
            body = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"no"}}' % id_
        if random.random() < 0.1:
            body = body.replace(b"[1,2]", b"[" + b"0," * random.randrange(200_000) + b"0]")
        raw = http(body)
        if random.random() < 0.3:
            head = sse_head() + (PROGRESS if random.random() < 0.3 else b"")
            raw = head + chunk(b"data: " + body + b"\n\n") + chunk(b"")
        is_broken = random.random() < 0.05
        if is_broken:
            raw = raw[: random.randrange(len(raw) - len(body))]
        pieces = random.choice([1, 1, 1, 2, 3])
        for n in range(pieces):
            await asyncio.sleep(random.choice([0, 0, 0.001, 0.01]))
            writer.write(raw[len(raw) * n // pieces : len(raw) * (n + 1) // pieces])
        if is_broken:
            writer.close()
        else:
            self.answered.append(id_)


@pytest.mark.parametrize("seed", range(3))
async def test_with_random_clients_and_responses_each_answered_call_is_counted_once_and_nothing_leaks(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder, seed: int
) -> None:
    random = Random(seed)
    ids = itertools.count(1)
    upstream.answer = random_upstream = RandomUpstream(random)

    async def client(gateway: Gateway, key: str, *fields: bytes) -> None:
        for _ in range(4):
            async with keep_alive(gateway, key, *fields) as one:
                asked = [next(ids) for _ in range(random.randrange(1, 12))]
                for id_ in asked:
                    one.send(call(id_=id_))
                    mood = random.random()
                    if mood < 0.7:
                        await one.read_response()
                    elif mood < 0.8:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(random.choice([0.001, 0.01])):
                                await one.reader.read()
                        break

    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, drain_timeout=10) as gateway:
        key = await gateway.key()
        await asyncio.gather(
            *(client(gateway, key, *([b"Mcp-Session-Id: s-%d" % n] if n % 2 else [])) for n in range(12))
        )
        pool = gateway.pool
        await until(lambda: not any(gateway.worker.services.concurrency.active.values()))
        await until(lambda: not gateway.worker.services.forwarding.detached_calls)
        await until(lambda: all(connection.state is ConnectionState.IDLE for connection in pool.connections))
        await until(lambda: not gateway.worker.server.connections)
        assert gateway.metrics.open_streams == 0
        found = sorted(int(event.request_id) for event in await gateway.events())
    assert found == sorted(random_upstream.answered)
    assert paths.taken.count("fast") > 20
    assert paths.taken.count("fell back") > 5


async def test_a_response_prepared_before_draining_still_says_that_the_connection_closes(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> None:
    async with (
        running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway,
        warm_client(gateway, upstream, await gateway.key()) as client,
    ):
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        async with recording_usage(gateway, client):
            gateway.worker.server.stop_accepting()
        raw = await client.read_response()
        assert paths.taken == ["general", "fast"]
        assert b"\r\nConnection: close\r\n" in raw
        assert await client.is_closed()


async def test_an_error_after_recording_neither_counts_nor_answers_twice(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = UpstreamPool.release

    def fails(pool: UpstreamPool, connection: UpstreamConnection) -> None:
        release(pool, connection)
        raise RuntimeError("a fault")

    async with warm_client(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        with monkeypatch.context() as faulty:
            faulty.setattr(UpstreamPool, "release", fails)
            assert (await client.exchange(call())).endswith(SINGLE_RESULT)
        assert (await client.exchange(call())).endswith(SINGLE_RESULT)
    assert paths.taken == ["general", "fast", "fast"]
    assert not gateway.active_requests
    await counted(gateway, 3)


async def test_a_request_is_served_by_the_general_path_if_the_fast_path_fails_before_sending_it(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    paths: PathRecorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_arguments: Any) -> Any:
        raise RuntimeError("an error")

    key = await gateway.key()
    async with warm_client(gateway, upstream, key) as client:
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        with monkeypatch.context() as faulty:
            faulty.setattr("gateway.proxy.fast_path.fast_path.caller_of", fails)
            assert (await client.exchange(call())).endswith(SINGLE_RESULT)
    assert paths.taken == ["general", "general"]
    assert gateway.metrics.reasons == ["forwarded", "forwarded"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert (gateway.active_requests, len(upstream.requests)) == (0, 1)
    await counted(gateway, 2)
