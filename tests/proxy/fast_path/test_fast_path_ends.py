"""However a call that goes straight ends, it is counted once, keeps its turn and leaves nothing behind."""

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

from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.fast_path.call import FastPathCall
from gateway.proxy.upstream.connection import ConnectionState
from tests.proxy.kept import (
    USUAL,
    Held,
    Kept,
    Ways,
    kept,
    narrow_gateway,
    undated,
    until,
    warm,
)
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, chunk, http, sse_head
from tests.support.valkey import Valkey
from tests.support.wire import answers_in

UNUSUAL = http(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}')
PROGRESS = chunk(b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n')
CANCELS = b"MCP-Protocol-Version: 2026-07-28"
"""In this revision, to close the stream means to cancel the call."""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> AsyncIterator[Gateway]:
    async with narrow_gateway(redis, valkey_url, upstream, tmp_path) as gateway:
        yield gateway


async def counted(gateway: Gateway, events: int) -> None:
    """Wait until so many calls were counted; not one more is."""
    async with asyncio.timeout(10):
        while len(await gateway.events()) < events:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    found = await gateway.events()
    assert len(found) == len({event.event_id for event in found}) == events


# The client goes.


@pytest.mark.parametrize("fields", [(), (b"Mcp-Session-Id: s",)], ids=["no session", "session"])
@pytest.mark.parametrize("raw", [http(USUAL), UNUSUAL], ids=["usual", "unusual"])
async def test_a_call_whose_client_leaves_before_the_answer_goes_on_and_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, fields: tuple[bytes, ...], raw: bytes
) -> None:
    async with warm(gateway, upstream, await gateway.key(), *fields) as client:
        held = Held(upstream, raw)
        client.send(call())
        await held.arrived.wait()
        client.leave()
        await until(lambda: gateway.heard.reasons[-1] == "client_left")
        assert gateway.active_requests == 0
        held.release.set()
        await counted(gateway, 2)
    assert ways.taken == ["long", "straight"]
    assert gateway.heard.reasons == ["forwarded", "client_left"]


async def test_a_call_of_2026_07_28_whose_client_leaves_is_ended_upstream(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    async with warm(gateway, upstream, await gateway.key(), CANCELS) as client:
        held = Held(upstream)
        client.send(call())
        await held.arrived.wait()
        client.leave()
        await until(lambda: gateway.pool.connections == [])
        held.release.set()
        await until(lambda: gateway.heard.reasons == ["forwarded", "client_left"])
        await counted(gateway, 1)
    assert ways.taken == ["long", "straight"]


@pytest.mark.parametrize("cuts", [1, 30, len(http(USUAL)) - len(USUAL), len(http(USUAL)) - 1])
async def test_a_call_whose_client_leaves_within_the_answer_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, cuts: int
) -> None:
    raw = http(USUAL)
    async with warm(gateway, upstream, await gateway.key()) as client:
        held = Held(upstream, raw[cuts:])
        client.send(call())
        await held.arrived.wait()
        assert held.writer is not None
        held.writer.write(raw[:cuts])
        await asyncio.sleep(0.01)
        client.leave()
        await until(lambda: gateway.heard.reasons[-1] == "client_left")
        held.release.set()
        await counted(gateway, 2)
    assert ways.taken[:2] == ["long", "straight"]


@pytest.mark.parametrize("raw", [http(USUAL), UNUSUAL], ids=["usual", "unusual"])
@pytest.mark.parametrize("fields", [(), (CANCELS,)], ids=["goes on", "cancels"])
async def test_a_client_that_leaves_at_the_moment_of_its_answer_leaves_nothing_behind(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, fields: tuple[bytes, ...], raw: bytes
) -> None:
    key = await gateway.key()
    for round_ in range(5):
        events = len(await gateway.events())
        async with plain_client(gateway) as client:
            one = Kept(None, None, key, fields, b"1.1").bytes_of(call())  # type: ignore[arg-type]
            upstream.answer = answer_raw(http(USUAL))
            await asyncio.get_running_loop().sock_sendall(client, one)
            assert (await asyncio.get_running_loop().sock_recv(client, 65_536)).endswith(USUAL)
            held = Held(upstream, b"")
            await asyncio.get_running_loop().sock_sendall(client, one)
            await held.arrived.wait()
            assert held.writer is not None
            # Both arrive before the loop looks again: the client's end, then the answer.
            client.close()
            held.writer.write(raw)
            await until(lambda: len(gateway.heard.reasons) == 2 * round_ + 2)  # noqa: B023
            held.release.set()
        await until(lambda: gateway.active_requests == 0)
        if not fields:
            await counted(gateway, events + 2)
    assert ways.taken.count("straight") == 5


@contextlib.asynccontextmanager
async def plain_client(gateway: Gateway) -> AsyncIterator[socket.socket]:
    """A client's socket, which is closed at once when it is told to."""
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", gateway.port))
        yield client


@contextlib.asynccontextmanager
async def usage_on_its_way(gateway: Gateway, client: Kept) -> AsyncIterator[None]:
    """A call was sent and answered, and Redis does not take its usage event while inside."""
    await gateway.redis.client_pause(60_000, all=False)
    try:
        client.send(call())
        await until(lambda: gateway.worker.stores.usage.batches_in_flight > 0)
        yield
    finally:
        await gateway.redis.client_unpause()


async def test_a_client_that_leaves_while_its_usage_event_is_made_safe_is_counted_once(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    async with warm(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(USUAL))
        async with usage_on_its_way(gateway, client):
            client.leave()
            await until(lambda: gateway.heard.reasons[-1] == "client_left")
            assert gateway.active_requests == 0
        await counted(gateway, 2)
    assert ways.taken == ["long", "straight"]
    assert gateway.heard.reasons == ["forwarded", "client_left"]


async def test_no_byte_of_an_answer_goes_out_before_its_usage_event_is_safe(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    async with warm(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(USUAL))
        async with usage_on_its_way(gateway, client):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.reader.read(1)
        assert (await client.answer()).endswith(USUAL)
    assert ways.taken == ["long", "straight"]
    await counted(gateway, 2)


async def test_a_call_whose_client_leaves_within_a_large_answer_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    raw = http(USUAL.replace(b"[1,2]", b"[" + b"0," * 90_000 + b"0]"))
    async with warm(gateway, upstream, await gateway.key()) as client:
        held = Held(upstream, raw[100_000:])
        client.send(call())
        await held.arrived.wait()
        assert held.writer is not None
        held.writer.write(raw[:100_000])
        await held.writer.drain()
        await asyncio.sleep(0.01)
        client.leave()
        await until(lambda: gateway.heard.reasons[-1] == "client_left")
        held.release.set()
        await counted(gateway, 2)
    assert ways.taken == ["long", "straight"]
    assert [event.response_bytes for event in await gateway.events()] == [
        len(USUAL),
        len(raw.partition(b"\r\n\r\n")[2]),
    ]


# Several requests at once.


async def by_id(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answers each call in a form of its own, which most have in common."""
    id_ = request.message["id"]
    body = USUAL.replace(b'"id":1', b'"id":%d' % id_)
    if id_ % 7 == 3:
        body = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"no"}}' % id_
    if id_ % 5 == 2:
        event = chunk(b"data: " + body + b"\n\n")
        writer.write(sse_head() + (PROGRESS if id_ % 2 else b"") + event + chunk(b""))
    else:
        writer.write(http(body))


@pytest.mark.parametrize("size", [1, 700, 4096, 1_000_000])
async def test_requests_that_are_sent_at_once_are_answered_in_their_order_and_counted_once_each(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, size: int
) -> None:
    async with warm(gateway, upstream, await gateway.key()) as client:
        upstream.answer = by_id
        messages = [call(id_=id_) | ({} if id_ % 11 else {"method": "ping"}) for id_ in range(2, 42)]
        sent = b"".join(map(client.bytes_of, messages))

        async def send() -> None:
            for start in range(0, len(sent), size):
                client.writer.write(sent[start : start + size])
                await client.writer.drain()
                await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        for id_ in range(2, 42):
            (answer,) = answers_in(await client.answer())
            assert answer.status == 200
            assert b'"id":%d,' % id_ in answer.body
        await sending
    assert [request.message["id"] for request in upstream.requests] == list(range(2, 42))
    await counted(gateway, 1 + sum(id_ % 11 > 0 for id_ in range(2, 42)))
    assert sorted(int(event.request_id) for event in (await gateway.events())[1:]) == [
        id_ for id_ in range(2, 42) if id_ % 11
    ]
    assert size < 4096 or ways.taken.count("straight") > 10
    assert gateway.heard.reasons == ["forwarded"] * 41


async def test_a_client_that_takes_nothing_is_asked_for_nothing_more_and_gets_all_in_the_end(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    calls = 150
    rows = b"[" + b",".join(b'{"n":%d}' % n for n in range(8000)) + b"]"

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(USUAL.replace(b"[1,2]", rows).replace(b'"id":1', b'"id":%d' % request.message["id"])))

    upstream.answer = answer
    loop, key = asyncio.get_running_loop(), await gateway.key()
    async with plain_client(gateway) as client:
        one = Kept(None, None, key, (), b"1.1")  # type: ignore[arg-type]
        for id_ in range(calls):
            await loop.sock_sendall(client, one.bytes_of(call(id_=id_)))
        await until(lambda: gateway.worker.server.write_buffer_bytes)
        await asyncio.sleep(0.1)
        held_back = len(upstream.requests)
        await asyncio.sleep(0.1)
        assert len(upstream.requests) == held_back < calls
        assert gateway.worker.server.write_buffer_bytes < 1_000_000
        reader, writer = await asyncio.open_connection(sock=client, limit=2**20)
        waiting = Kept(reader, writer, key, (), b"1.1")
        answers = [answers_in(await waiting.answer())[0] for _ in range(calls)]
        writer.transport.abort()
    assert [answer.json["id"] for answer in answers] == list(range(calls))
    assert ways.taken.count("straight") > calls // 2
    await counted(gateway, calls)
    assert {event.record_count for event in await gateway.events()} == {8000}


# The gateway stops, or cannot.


@contextlib.asynccontextmanager
async def stopping(
    redis: Redis, url: str, upstream: ScriptedUpstream, folder: Path, drain_timeout: float
) -> AsyncIterator[tuple[Gateway, Kept, Held, asyncio.Task[None]]]:
    """A gateway that has begun to stop while a call that went straight waits for its answer."""
    async with contextlib.AsyncExitStack() as stack:
        running = running_gateway(redis, url, upstream.url, folder, drain_timeout=drain_timeout)
        gateway = await running.__aenter__()
        client = await stack.enter_async_context(warm(gateway, upstream, await gateway.key(), b"Mcp-Session-Id: s"))
        held = Held(upstream)
        client.send(call())
        await held.arrived.wait()
        stop = asyncio.ensure_future(running.__aexit__(None, None, None))
        await until(lambda: gateway.worker.server._is_stopping)
        yield gateway, client, held, stop  # type: ignore[misc]
        await stop


async def test_a_call_in_flight_when_the_gateway_stops_is_answered_and_its_connection_closed(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> None:
    async with stopping(redis, valkey_url, upstream, tmp_path, 10) as (gateway, client, held, _):
        held.release.set()
        raw = await client.answer()
        assert b"\r\nConnection: close\r\n" in raw
        assert raw.endswith(USUAL)
        assert await client.reader.read() == b""
    assert ways.taken == ["long", "straight"]
    await counted(gateway, 2)


async def test_a_call_that_is_not_answered_when_the_time_to_stop_is_over_is_cut(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> None:
    async with stopping(redis, valkey_url, upstream, tmp_path, 0.2) as (gateway, client, held, stop):
        await stop
        assert await client.answer() == b""
        held.release.set()
    assert ways.taken == ["long", "straight"]
    assert gateway.heard.reasons == ["forwarded", "client_left"]
    assert gateway.active_requests == 0
    await counted(gateway, 1)


@pytest.mark.parametrize("raw", [http(USUAL), sse_head() + chunk(b"data: " + USUAL + b"\n\n") + chunk(b"")])
async def test_an_answer_whose_usage_is_safe_nowhere_is_503_on_both_ways_and_nothing_of_it_goes_out(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways, raw: bytes
) -> None:
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(
            own, valkey.url, upstream.url, tmp_path, usage_spool_max_bytes=1, max_concurrent_requests=1
        ) as gateway,
    ):
        key = await gateway.key()
        origin = b"Origin: http://localhost:5173"
        async with warm(gateway, upstream, key, origin) as client, kept(gateway, key, origin) as other:
            upstream.answer = answer_raw(raw)
            valkey.kill()
            answers = [undated(await client.ask(call())), undated(await other.ask(call()))]
        assert ways.taken == ["long", "straight", "long"]
        assert answers[0] == answers[1]
        assert answers[0].startswith(b"HTTP/1.1 503 ")
        assert b"prices" not in answers[0]
        assert b"\r\nAccess-Control-Allow-Origin: http://localhost:5173\r\n" in answers[0]
        assert gateway.heard.reasons[1] == gateway.heard.reasons[2] != "forwarded"
        assert gateway.active_requests == 0
        valkey.start()
        assert len(await gateway.events()) == 1


async def test_without_room_a_call_is_503_on_both_ways_and_served_when_there_is_room_again(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    key = await gateway.key()
    async with warm(gateway, upstream, key) as first, warm(gateway, upstream, key) as second:
        held = Held(upstream)
        first.send(call())
        await held.arrived.wait()
        refused = undated(await second.ask(call()))
        assert refused.startswith(b"HTTP/1.1 503 ")
        async with kept(gateway, key) as third:
            assert undated(await third.ask(call())) == refused
        held.release.set()
        assert (await first.answer()).endswith(USUAL)
        upstream.answer = answer_raw(http(USUAL))
        assert (await second.ask(call())).endswith(USUAL)
    assert ways.taken == ["long", "long", "straight", "long", "long", "straight"]
    await counted(gateway, 4)


@pytest.mark.parametrize("where", ["meter", "head", "event"])
async def test_a_fault_within_the_gateway_is_500_on_both_ways_and_leaves_nothing_behind(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    ways: Ways,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    def fails(*_arguments: Any, **_named: Any) -> Any:
        raise RuntimeError("a fault")

    key = await gateway.key()
    answers = []
    async with warm(gateway, upstream, key) as client, kept(gateway, key) as other:
        upstream.answer = answer_raw(http(USUAL))
        with monkeypatch.context() as faulty:
            if where == "meter":
                faulty.setattr("gateway.metering.meter_decoded", fails)
            elif where == "head":
                faulty.setattr("gateway.proxy.accounting.usage_events.arguments_hash", fails)
                faulty.setattr("gateway.proxy.fast_path.call.arguments_hash", fails)
            else:
                faulty.setattr(gateway.worker.stores.usage, "append", fails)
                faulty.setattr(gateway.worker.stores.usage, "append_callback", fails)
            answers = [undated(await client.ask(call())), undated(await other.ask(call()))]
            assert await client.is_closed()
            assert await other.is_closed()
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 500 ")
    assert ways.taken == ["long", "straight", "taken up", "long"]
    assert gateway.heard.reasons == ["forwarded"] * 3
    assert len(caplog.records) == 2
    await counted(gateway, 1)


async def test_the_stream_of_a_key_that_is_revoked_is_cut_also_where_half_of_its_only_event_has_come(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    record, key = await gateway.new_key()
    async with warm(gateway, upstream, key) as client:
        raw = sse_head() + chunk(b"data: " + USUAL + b"\n\n") + chunk(b"")
        held = Held(upstream, raw[-50:])
        client.send(call())
        await held.arrived.wait()
        assert held.writer is not None
        held.writer.write(raw[:-50])
        await asyncio.sleep(0.05)
        await gateway.keys.revoke(record.key_id)
        # The upstream has not sent the rest: if nobody cut the stream, the client would wait in vain.
        assert await client.answer() == b""
        held.release.set()
        await counted(gateway, 2)
    assert ways.taken[:2] == ["long", "straight"]


async def test_a_call_that_goes_straight_takes_no_task_of_its_own(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    async with warm(gateway, upstream, await gateway.key()) as client:
        before = len(asyncio.all_tasks())
        held = Held(upstream)
        client.send(call())
        await held.arrived.wait()
        assert len(asyncio.all_tasks()) == before
        held.release.set()
        await client.answer()
    assert ways.taken == ["long", "straight"]


async def test_the_parts_of_a_call_that_went_straight_are_free_again(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    gc.collect()
    earlier = {id(thing) for thing in gc.get_objects() if isinstance(thing, FastPathCall)}
    async with warm(gateway, upstream, await gateway.key()) as client:
        for raw in (http(USUAL), UNUSUAL, http(USUAL)):
            upstream.answer = answer_raw(raw)
            await client.ask(call())
        del raw
        await asyncio.sleep(0.01)
        left = [thing for thing in gc.get_objects() if isinstance(thing, FastPathCall) and id(thing) not in earlier]
        assert len(left) <= 1
    assert ways.taken == ["long", "straight", "straight", "taken up", "straight"]


# Many clients that do as they like.


class Moody:
    """An upstream that answers as it likes; `answered` are the ids of the calls to which it gave an answer, whole."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.answered: list[int] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        id_, random = request.message["id"], self._random
        body = USUAL.replace(b'"id":1', b'"id":%d' % id_)
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
async def test_whatever_clients_and_the_upstream_do_each_answered_call_is_counted_once_and_nothing_is_left_behind(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways, seed: int
) -> None:
    random = Random(seed)
    ids = itertools.count(1)
    upstream.answer = moody = Moody(random)

    async def client(gateway: Gateway, key: str, *fields: bytes) -> None:
        for _ in range(4):
            async with kept(gateway, key, *fields) as one:
                asked = [next(ids) for _ in range(random.randrange(1, 12))]
                for id_ in asked:
                    one.send(call(id_=id_))
                    mood = random.random()
                    if mood < 0.7:
                        await one.answer()
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
        await until(lambda: not gateway.worker.server._connections)
        assert gateway.heard.open_streams == 0
        found = sorted(int(event.request_id) for event in await gateway.events())
    assert found == sorted(moody.answered)
    assert ways.taken.count("straight") > 20
    assert ways.taken.count("taken up") > 5


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_answer_that_ends_its_connection_says_so_though_its_usage_was_on_its_way_before(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, version: bytes
) -> None:
    fields = (b"Connection: keep-alive",) if version == b"1.0" else ()
    async with warm(gateway, upstream, await gateway.key(), *fields, version=version) as client:
        upstream.answer = answer_raw(http(USUAL))
        async with usage_on_its_way(gateway, client):
            for connection in list(gateway.worker.server._connections):
                connection.stop()
        raw = await client.answer()
        assert ways.taken == ["long", "straight"]
        assert b"\r\nConnection: close\r\n" in raw
        assert b"keep-alive" not in raw
        assert await client.is_closed()


async def test_a_fault_behind_the_counting_neither_counts_nor_answers_twice(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: Any, **_named: Any) -> Any:
        raise RuntimeError("a fault")

    async with warm(gateway, upstream, await gateway.key()) as client:
        upstream.answer = answer_raw(http(USUAL))
        with monkeypatch.context() as faulty:
            faulty.setattr(RequestContext, "prepare", fails)
            assert (await client.ask(call())).endswith(USUAL)
        assert (await client.ask(call())).endswith(USUAL)
    assert ways.taken == ["long", "straight", "straight"]
    assert not gateway.active_requests
    await counted(gateway, 3)
