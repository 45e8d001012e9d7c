"""Results that come on another stream than their call: counted once, and checked, whichever worker they pass."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.proxy.streams import (
    ACCEPTED,
    PROGRESS,
    Listening,
    Streams,
    event,
    listening,
    messages_in,
    next_event,
    result,
    stream,
    text_result,
)
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, http, sse_head
from tests.support.valkey import Valkey

S = {"Mcp_Session_Id": "session-1"}
RESUME = {**S, "Last_Event_ID": "1"}


@pytest.fixture
def streams(upstream: ScriptedUpstream) -> Streams:
    return Streams(upstream)


@pytest.fixture
async def other(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[Gateway]:
    """Another worker."""
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "other") as gateway:
        yield gateway


async def fetch(gateway: Gateway, key: str, **headers: str) -> list[Any]:
    """The messages of a stream that is taken up again."""
    answer = await gateway.request("GET", key=key, **{**RESUME, **headers})
    assert answer.status == 200
    return messages_in(answer.body)


@pytest.mark.parametrize(
    "post", [stream(event(PROGRESS)), stream(event("", "1")), ACCEPTED], ids=["ended", "ended with an id", "202"]
)
async def test_a_result_that_another_worker_passes_is_counted_once_with_its_call(
    gateway: Gateway, other: Gateway, streams: Streams, post: bytes
) -> None:
    streams.posts, streams.gets = [post], [stream(event(result(), "2"))]
    record, key = await gateway.new_key()
    await gateway.post(call("query", sql="select * from prices"), key, User_Agent="curious/7", **S)
    assert await gateway.events() == []
    assert await fetch(other, await gateway.key()) == [result()]
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.table_names, counted.record_count) == ("query", ("prices",), 2)
    assert (counted.key_id, counted.client_name, counted.session_id) == (record.key_id, "curious", "session-1")
    assert (counted.request_id, counted.status, counted.duration_ms >= 0) == ("1", "ok", True)
    for gateway_ in (gateway, other):
        assert await fetch(gateway_, key) == [result()]
    assert len(await gateway.events()) == 1


async def test_of_several_streams_with_one_result_one_counts_it(
    gateway: Gateway, other: Gateway, streams: Streams
) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    key = await gateway.key()
    await gateway.post(call(), key, **S)
    await asyncio.gather(*(fetch(worker, key) for worker in (gateway, other) * 8))
    assert len(await gateway.events()) == 1


async def test_ids_of_another_type_session_or_owner_are_no_answer(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [ACCEPTED]
    ann, bob = await gateway.key(), await gateway.key("bob@example.com")
    await gateway.post(call(id_=1), ann, **S)
    streams.gets = [stream(event(result("1")))]
    await fetch(gateway, ann)
    streams.gets = [stream(event(result(1)))]
    await fetch(gateway, ann, Mcp_Session_Id="session-2")
    await fetch(gateway, bob, Mcp_Session_Id="session-3")
    assert await gateway.events() == []


async def test_each_of_two_calls_with_one_id_is_counted(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()), event(result()))]
    key = await gateway.key()
    await gateway.post(call("first"), key, **S)
    await gateway.post(call("second"), key, **S)
    await fetch(gateway, key)
    assert [counted.tool_name for counted in await gateway.events()] == ["first", "second"]


async def test_of_two_open_calls_with_one_id_each_is_counted_whichever_stream_its_result_takes(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    release, posts = asyncio.Event(), 0

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal posts
        if request.line.startswith(b"GET "):
            writer.write(stream(event(result(rows=2), "4")))
            return
        posts += 1
        writer.write(sse_head() + chunk(event("", str(posts))))
        if posts == 1:
            await release.wait()
            writer.write(chunk(event(result(rows=1), "3")))
        writer.write(chunk(b""))

    upstream.answer = answer
    key = await gateway.key()
    first = asyncio.create_task(gateway.post(call("first"), key, **S))
    async with asyncio.timeout(5):
        while not await gateway.redis.keys("*awaited*"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await gateway.post(call("second"), key, **S)
    await fetch(gateway, key)
    release.set()
    await first
    counted = await gateway.events()
    assert sorted(each.record_count or 0 for each in counted) == [1, 2]
    assert len({each.event_id for each in counted}) == 2


async def test_what_was_counted_on_the_post_is_not_counted_again(
    gateway: Gateway, other: Gateway, streams: Streams
) -> None:
    streams.posts = [stream(event("", "1"), event(result(), "2"))]
    streams.gets = [stream(event(result(), "2"))]
    key = await gateway.key()
    assert messages_in((await gateway.post(call(), key, **S)).body) == [result()]
    await fetch(other, key)
    assert len(await gateway.events()) == 1


async def test_a_call_whose_client_left_is_counted_once_though_it_resumes(
    gateway: Gateway, other: Gateway, upstream: ScriptedUpstream
) -> None:
    release = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET "):
            writer.write(stream(event(result(), "2")))
            return
        writer.write(sse_head() + chunk(event("", "1")))
        await release.wait()
        writer.write(chunk(event(result(), "2")) + chunk(b""))

    upstream.answer = answer
    key = await gateway.key()
    fields = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": "session-1"}
    async with gateway.session.post(gateway.url, json=call(), headers=fields) as begun:
        await next_event(begun.content)
        begun.close()
    fetched = asyncio.create_task(fetch(other, key))
    release.set()
    assert await fetched == [result()]
    await gateway.worker._departed.drain(5)
    assert len(await gateway.events()) == 1


async def test_a_call_is_noted_before_its_client_can_ask_for_the_answer_elsewhere(
    gateway: Gateway, other: Gateway, upstream: ScriptedUpstream
) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET "):
            writer.write(stream(event(result(), "2")))
        else:
            writer.write(sse_head() + chunk(event("", "1")))

    upstream.answer = answer
    key = await gateway.key()
    fields = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": "session-1"}
    async with gateway.session.post(gateway.url, json=call(), headers=fields) as begun:
        await next_event(begun.content)
        # The worker of the POST could die now.
        await fetch(other, key)
        assert len(await gateway.events()) == 1
        begun.close()


async def test_a_stream_that_breaks_off_is_counted_where_it_is_taken_up_again(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET "):
            writer.write(stream(event(result(), "2")))
            return
        writer.write(sse_head() + chunk(event(PROGRESS)))
        await writer.drain()
        writer.close()

    upstream.answer = answer
    key = await gateway.key()
    with pytest.raises(Exception, match="payload"):
        await gateway.post(call(), key, **S)
    await fetch(gateway, key)
    assert len(await gateway.events()) == 1


async def test_an_error_elsewhere_is_a_call_with_is_error(gateway: Gateway, streams: Streams) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(error))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call(table="prices"), key, **S)
    assert await fetch(gateway, key) == [error]
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [("rpc_error", 0)]


async def test_a_call_that_was_refused_is_not_waited_for(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [http(b"{}", status="400 Bad Request")], [stream(event(result()))]
    key = await gateway.key()
    await gateway.post(call(), key, **S)
    await fetch(gateway, key)
    assert await gateway.events() == []


async def test_what_the_elements_of_a_batch_lack_is_counted_elsewhere(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [stream(event(result(1, rows=1)), event(result("1", rows=2)))]
    streams.gets = [stream(event([result(2, rows=4), result(3, rows=8)]))]
    key = await gateway.key()
    await gateway.post([call(id_=id_) for id_ in (1, "1", 2, 3)], key, **S)
    assert [counted.record_count for counted in await gateway.events()] == [1, 2]
    await fetch(gateway, key)
    assert {counted.request_id: counted.record_count for counted in await gateway.events()} == {
        "1": 1,
        '"1"': 2,
        "2": 4,
        "3": 8,
    }


async def test_a_quota_of_records_is_spent_by_the_key_that_called(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result(rows=3)))]
    key = await gateway.key(records_per_day=3)
    assert (await gateway.post(call(), key, **S)).status == 202
    await fetch(gateway, await gateway.key())
    assert (await gateway.post(call(), key, **S)).status == 429


async def test_large_arguments_are_noted_by_the_tables_that_they_name(gateway: Gateway, streams: Streams) -> None:
    answer = text_result(1, '[{"n":1},{"n":2}]')
    streams.posts, streams.gets = [ACCEPTED], [stream(event(answer))]
    key = await gateway.key(allowed_tables=("prices",))
    ids = ",".join(map(str, range(1000, 2200)))
    await gateway.post(call("query", sql=f"select * from prices where id in ({ids})"), key, **S)
    assert await fetch(gateway, key) == [answer]
    (counted,) = await gateway.events()
    assert (counted.table_names, counted.record_count) == (("prices",), 2)
    noted = [name async for name in gateway.redis.scan_iter() if b"answered" in name]
    assert len(noted) == 1
    assert await gateway.redis.strlen(noted[0]) < 2000


async def test_an_answer_on_the_connection_of_its_request_asks_redis_nothing(
    gateway: Gateway, streams: Streams
) -> None:
    async def scripts() -> int:
        stats: Any = await gateway.redis.info("commandstats")
        return int(stats["cmdstat_evalsha"]["calls"])

    key = await gateway.key()
    for post in (http(json.dumps(result()).encode()), stream(event(PROGRESS), event(result()))):
        streams.posts = [post]
        for _ in range(2):
            await gateway.post(call(), key, **S)
        before = await scripts()
        for _ in range(10):
            await gateway.post(call(), key, **S)
        # The one for its event.
        assert await scripts() - before <= 10
    assert len(await gateway.events()) == 24


async def test_redis_holds_no_session_id(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call(id_=1, table="prices"), key, **S)
    await gateway.post(call(id_=2, table="prices"), key, **S)
    await fetch(gateway, key)
    async for name in gateway.redis.scan_iter():
        if b"usage" not in name:
            assert b"session-1" not in name + await gateway.redis.dump(name)


@contextlib.contextmanager
def hanging(server: Valkey) -> Iterator[None]:
    """While inside, the server answers nothing."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


async def test_while_redis_hangs_a_result_elsewhere_is_withheld_and_counted_when_it_is_back(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    streams = Streams(upstream)
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(own, valkey.url, upstream.url, tmp_path / "data") as gateway,
    ):
        key = await gateway.key()
        await gateway.post(call(), key, **S)
        await asyncio.sleep(1.1)
        valkey.kill()
        assert (await gateway.request("GET", key=key, **RESUME)).status == 503
        valkey.start()
        assert await fetch(gateway, key) == [result()]
        assert len(await gateway.events()) == 1


async def test_while_redis_hangs_a_stream_goes_on_but_cannot_be_taken_up_again(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    streams = Streams(upstream)
    streams.posts = [stream(event("", "1"), event(result(), "2"))]
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(own, valkey.url, upstream.url, tmp_path / "data") as gateway,
    ):
        key = await gateway.key()
        assert b"id: 1\n" in (await gateway.post(call(), key, **S)).body
        with hanging(valkey):
            body = (await gateway.post(call(), key, **S)).body
        assert (b"id: 1\n" in body, messages_in(body)) == (False, [result()])
        async with asyncio.timeout(5):
            while len(await gateway.events()) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


# Keys that are limited.


async def test_a_result_elsewhere_is_checked_for_a_key_limited_to_tables(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [ACCEPTED]
    streams.gets = [stream(event(result(1)), event(result(2, "secrets")), event(text_result(3, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    for id_ in (1, 2, 3):
        await gateway.post(call(id_=id_), key, **S)
    first, second, third = await fetch(gateway, key)
    assert first == result(1)
    assert [(answer["id"], answer["error"]["code"]) for answer in (second, third)] == [(2, -32001), (3, -32001)]
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [
        ("ok", 2),
        ("denied", 0),
        ("denied", 0),
    ]


async def test_a_result_elsewhere_is_checked_by_the_arguments_of_its_call_too(
    gateway: Gateway, streams: Streams
) -> None:
    answer = text_result(1, '[{"n":1}]')
    streams.posts, streams.gets = [ACCEPTED], [stream(event(answer))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("query", sql="select * from prices"), key, **S)
    assert await fetch(gateway, key) == [answer]
    assert [counted.table_names for counted in await gateway.events()] == [("prices",)]


async def test_a_repeated_result_is_checked_again_for_a_key_limited_to_tables(
    gateway: Gateway, other: Gateway, streams: Streams
) -> None:
    answers = [text_result(1, '[{"n":1}]'), text_result(2, '[{"n":2}]')]
    streams.posts = [stream(event("", "1"), event(answers[0], "2")), stream(event("", "3"), event(answers[1], "4"))]
    streams.gets = [stream(*map(event, answers))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("query", 1, sql="select * from prices"), key, **S)
    refused = await gateway.post(call("fetch", 2), key, **S)
    assert "error" in messages_in(refused.body)[0]
    first, second = await fetch(other, key)
    assert first == answers[0]
    assert "error" in second
    assert [counted.status for counted in await gateway.events()] == ["ok", "denied"]


@pytest.mark.parametrize("first", [stream(event(text_result(1, "hidden"), "2")), ACCEPTED], ids=["answered", "open"])
async def test_an_id_that_was_used_twice_opens_nothing_to_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams, first: bytes
) -> None:
    streams.posts = [first, ACCEPTED]
    streams.gets = [stream(event(text_result(1, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("fetch"), key, **S)
    await gateway.post(call("query", sql="select * from prices"), key, **S)
    (answer,) = await fetch(gateway, key)
    assert answer["error"]["code"] == -32001


async def test_a_result_may_not_pass_as_that_of_another_method(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(text_result(1, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}, key, **S)
    (answer,) = await fetch(gateway, key)
    assert answer["error"]["code"] == -32001


async def test_other_answers_elsewhere_pass_for_a_key_limited_to_tables(gateway: Gateway, streams: Streams) -> None:
    prompt = {"jsonrpc": "2.0", "id": 1, "result": {"messages": []}}
    asked = {"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": {}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(PROGRESS), event(asked), event(prompt))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}, key, **S)
    assert await fetch(gateway, key) == [PROGRESS, asked, prompt]


@pytest.mark.parametrize("is_noted", [True, False])
async def test_a_list_of_tools_elsewhere_is_filtered(gateway: Gateway, streams: Streams, is_noted: bool) -> None:
    listed = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "get_a"}, {"name": "drop_b"}]}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(listed))]
    key = await gateway.key(allowed_tools=("get_*",))
    if is_noted:
        await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key, **S)
    assert [answer["result"] for answer in await fetch(gateway, key)] == [{"tools": [{"name": "get_a"}]}]


async def test_the_result_of_a_tool_that_another_key_may_call_is_refused_to_one_that_may_not(
    gateway: Gateway, streams: Streams
) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result(1)), event(result(2)), event(result(3)))]
    await gateway.post(call("drop", 1), await gateway.key(), **S)
    await gateway.post(call("get", 2), await gateway.key(), **S)
    refused, passed, unknown = await fetch(gateway, await gateway.key(allowed_tools=("get",)))
    assert ("error" in refused, passed, "error" in unknown) == (True, result(2), True)


async def test_news_of_an_open_stream_are_counted_while_it_stays_open(
    gateway: Gateway, other: Gateway, upstream: ScriptedUpstream
) -> None:
    stream_ = Listening(upstream)
    key = await gateway.key()
    async with listening(other, key, **S) as content:
        await gateway.post(call(id_="late"), key, **S)
        await stream_.send(event(PROGRESS))
        await stream_.send(event(result("late")))
        assert [(await next_event(content))["event"] for _ in range(2)] == ["message", "message"]
        assert [counted.request_id for counted in await gateway.events()] == ['"late"']
