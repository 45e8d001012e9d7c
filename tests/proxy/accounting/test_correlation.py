"""A result that arrives on another stream than its call is counted once and checked, on whichever worker."""

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
from tests.support.waiting import until

SESSION = {"Mcp_Session_Id": "session-1"}
RESUME = {**SESSION, "Last_Event_ID": "1"}


@pytest.fixture
def streams(upstream: ScriptedUpstream) -> Streams:
    return Streams(upstream)


@pytest.fixture
async def other_worker(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A second worker of the same gateway."""
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "other_worker") as gateway:
        yield gateway


async def resume(gateway: Gateway, key: str, **headers: str) -> list[Any]:
    """Resume a stream, and return its messages."""
    response = await gateway.request("GET", key=key, **{**RESUME, **headers})
    assert response.status == 200
    return messages_in(response.body)


@pytest.mark.parametrize(
    "post", [stream(event(PROGRESS)), stream(event("", "1")), ACCEPTED], ids=["ended", "ended with an id", "202"]
)
async def test_a_result_on_another_worker_is_counted_once_with_its_call(
    gateway: Gateway, other_worker: Gateway, streams: Streams, post: bytes
) -> None:
    streams.posts, streams.gets = [post], [stream(event(result(), "2"))]
    record, key = await gateway.new_key()
    await gateway.post(call("query", sql="select * from prices"), key, User_Agent="curious/7", **SESSION)
    assert await gateway.events() == []
    assert await resume(other_worker, await gateway.key()) == [result()]
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.table_names, counted.record_count) == ("query", ("prices",), 2)
    assert (counted.key_id, counted.client_name, counted.session_id) == (record.key_id, "curious", "session-1")
    assert (counted.request_id, counted.status, counted.duration_ms >= 0) == ("1", "ok", True)
    for gateway_ in (gateway, other_worker):
        assert await resume(gateway_, key) == [result()]
    assert len(await gateway.events()) == 1


async def test_a_result_on_several_streams_is_counted_once(
    gateway: Gateway, other_worker: Gateway, streams: Streams
) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    key = await gateway.key()
    await gateway.post(call(), key, **SESSION)
    await asyncio.gather(*(resume(worker, key) for worker in (gateway, other_worker) * 8))
    assert len(await gateway.events()) == 1


async def test_an_id_of_another_type_session_or_owner_does_not_match(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [ACCEPTED]
    ann, bob = await gateway.key(), await gateway.key("bob@example.com")
    await gateway.post(call(id_=1), ann, **SESSION)
    streams.gets = [stream(event(result("1")))]
    await resume(gateway, ann)
    streams.gets = [stream(event(result(1)))]
    await resume(gateway, ann, Mcp_Session_Id="session-2")
    await resume(gateway, bob, Mcp_Session_Id="session-3")
    assert await gateway.events() == []


async def test_two_calls_with_the_same_id_are_both_counted(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()), event(result()))]
    key = await gateway.key()
    await gateway.post(call("first"), key, **SESSION)
    await gateway.post(call("second"), key, **SESSION)
    await resume(gateway, key)
    assert [counted.tool_name for counted in await gateway.events()] == ["first", "second"]


async def test_two_concurrent_calls_with_the_same_id_are_both_counted_whatever_stream_their_results_take(
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
    first = asyncio.create_task(gateway.post(call("first"), key, **SESSION))
    await until(lambda: gateway.redis.keys("*awaited*"))
    await gateway.post(call("second"), key, **SESSION)
    await resume(gateway, key)
    release.set()
    await first
    counted = await gateway.events()
    assert sorted(each.record_count or 0 for each in counted) == [1, 2]
    assert len({each.event_id for each in counted}) == 2


async def test_a_result_counted_on_the_post_is_not_counted_again_when_replayed(
    gateway: Gateway, other_worker: Gateway, streams: Streams
) -> None:
    streams.posts = [stream(event("", "1"), event(result(), "2"))]
    streams.gets = [stream(event(result(), "2"))]
    key = await gateway.key()
    assert messages_in((await gateway.post(call(), key, **SESSION)).body) == [result()]
    await resume(other_worker, key)
    assert len(await gateway.events()) == 1


async def test_a_call_is_counted_once_if_its_client_disconnects_and_resumes(
    other_worker: Gateway, upstream: ScriptedUpstream, redis: Redis, valkey_url: str, tmp_path: Path
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
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "first") as first_worker:
        key = await first_worker.key()
        fields = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": "session-1"}
        async with first_worker.session.post(first_worker.url, json=call(), headers=fields) as response:
            await next_event(response.content)
            response.close()
        resumed = asyncio.create_task(resume(other_worker, key))
        release.set()
        assert await resumed == [result()]
    # The first worker has drained: it counts nothing more.
    assert len(await other_worker.events()) == 1


async def test_a_call_is_registered_before_its_client_can_resume_the_stream(
    gateway: Gateway, other_worker: Gateway, upstream: ScriptedUpstream
) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET "):
            writer.write(stream(event(result(), "2")))
        else:
            writer.write(sse_head() + chunk(event("", "1")))

    upstream.answer = answer
    key = await gateway.key()
    fields = {"Authorization": f"Bearer {key}", "Mcp-Session-Id": "session-1"}
    async with gateway.session.post(gateway.url, json=call(), headers=fields) as response:
        await next_event(response.content)
        # From here on, the worker of the POST is no longer needed.
        await resume(other_worker, key)
        assert len(await gateway.events()) == 1
        response.close()


async def test_the_result_of_a_stream_that_broke_off_is_counted_when_it_is_resumed(
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
        await gateway.post(call(), key, **SESSION)
    await resume(gateway, key)
    assert len(await gateway.events()) == 1


async def test_an_error_on_another_stream_counts_as_a_call_with_is_error(gateway: Gateway, streams: Streams) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(error))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call(table="prices"), key, **SESSION)
    assert await resume(gateway, key) == [error]
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [("rpc_error", 0)]


async def test_a_call_that_the_upstream_rejected_is_not_counted_later(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [http(b"{}", status="400 Bad Request")], [stream(event(result()))]
    key = await gateway.key()
    await gateway.post(call(), key, **SESSION)
    await resume(gateway, key)
    assert await gateway.events() == []


async def test_missing_responses_of_a_batch_are_counted_on_another_stream(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [stream(event(result(1, rows=1)), event(result("1", rows=2)))]
    streams.gets = [stream(event([result(2, rows=4), result(3, rows=8)]))]
    key = await gateway.key()
    await gateway.post([call(id_=id_) for id_ in (1, "1", 2, 3)], key, **SESSION)
    assert [counted.record_count for counted in await gateway.events()] == [1, 2]
    await resume(gateway, key)
    assert {counted.request_id: counted.record_count for counted in await gateway.events()} == {
        "1": 1,
        '"1"': 2,
        "2": 4,
        "3": 8,
    }


@pytest.mark.parametrize("limits", [{"records_per_day": 3}, {"records_per_month": 3}])
async def test_records_count_against_the_quota_of_the_key_that_made_the_call(
    gateway: Gateway, streams: Streams, limits: dict[str, Any]
) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result(rows=3)))]
    key = await gateway.key(**limits)
    assert (await gateway.post(call(), key, **SESSION)).status == 202
    await resume(gateway, await gateway.key())
    assert (await gateway.post(call(), key, **SESSION)).status == 429


async def test_of_large_arguments_only_the_tables_are_stored(gateway: Gateway, streams: Streams) -> None:
    response = text_result(1, '[{"n":1},{"n":2}]')
    streams.posts, streams.gets = [ACCEPTED], [stream(event(response))]
    key = await gateway.key(allowed_tables=("prices",))
    ids = ",".join(map(str, range(1000, 2200)))
    await gateway.post(call("query", sql=f"select * from prices where id in ({ids})"), key, **SESSION)
    assert await resume(gateway, key) == [response]
    (counted,) = await gateway.events()
    assert (counted.table_names, counted.record_count) == (("prices",), 2)
    stored = [name async for name in gateway.redis.scan_iter() if b"answered" in name]
    assert len(stored) == 1
    assert await gateway.redis.strlen(stored[0]) < 2000


async def test_a_response_on_its_own_connection_needs_no_lookup_in_redis(gateway: Gateway, streams: Streams) -> None:
    async def scripts() -> int:
        stats: Any = await gateway.redis.info("commandstats")
        return int(stats["cmdstat_evalsha"]["calls"])

    key = await gateway.key()
    for post in (http(json.dumps(result()).encode()), stream(event(PROGRESS), event(result()))):
        streams.posts = [post]
        for _ in range(2):
            await gateway.post(call(), key, **SESSION)
        before = await scripts()
        for _ in range(10):
            await gateway.post(call(), key, **SESSION)
        # One command for each usage event.
        assert await scripts() - before <= 10
    assert len(await gateway.events()) == 24


async def test_redis_holds_no_session_id(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call(id_=1, table="prices"), key, **SESSION)
    await gateway.post(call(id_=2, table="prices"), key, **SESSION)
    await resume(gateway, key)
    async for name in gateway.redis.scan_iter():
        if b"usage" not in name:
            assert b"session-1" not in name + await gateway.redis.dump(name)


@contextlib.contextmanager
def suspended(server: Valkey) -> Iterator[None]:
    """Suspend the server while inside, so that it does not respond."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


async def test_without_redis_a_result_on_another_stream_is_withheld_and_counted_once_redis_is_back(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    streams = Streams(upstream)
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result()))]
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(own, valkey.url, upstream.url, tmp_path / "data") as gateway,
    ):
        key = await gateway.key()
        await gateway.post(call(), key, **SESSION)
        # Valkey writes its append-only file to disk once a second; `WAITAOF` waits for the writes of its connection.
        one_connection: Any
        async with own.client() as one_connection:
            await one_connection.set("written", "1")
            assert await one_connection.execute_command("WAITAOF", 1, 0, 5000) == [1, 0]
        valkey.kill()
        assert (await gateway.request("GET", key=key, **RESUME)).status == 503
        valkey.start()
        assert await resume(gateway, key) == [result()]
        assert len(await gateway.events()) == 1


async def test_while_redis_hangs_a_stream_continues_but_cannot_be_resumed(
    valkey: Valkey, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    streams = Streams(upstream)
    streams.posts = [stream(event("", "1"), event(result(), "2"))]
    async with (
        Redis.from_url(valkey.url) as own,
        running_gateway(own, valkey.url, upstream.url, tmp_path / "data") as gateway,
    ):
        key = await gateway.key()
        assert b"id: 1\n" in (await gateway.post(call(), key, **SESSION)).body
        with suspended(valkey):
            body = (await gateway.post(call(), key, **SESSION)).body
        assert (b"id: 1\n" in body, messages_in(body)) == (False, [result()])
        await gateway.until_events(2)


# Restricted keys.


async def test_a_result_on_another_stream_is_checked_for_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams
) -> None:
    streams.posts = [ACCEPTED]
    streams.gets = [stream(event(result(1)), event(result(2, "secrets")), event(text_result(3, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    for id_ in (1, 2, 3):
        await gateway.post(call(id_=id_), key, **SESSION)
    first, second, third = await resume(gateway, key)
    assert first == result(1)
    assert [(response["id"], response["error"]["code"]) for response in (second, third)] == [(2, -32001), (3, -32001)]
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [
        ("ok", 2),
        ("denied", 0),
        ("denied", 0),
    ]


async def test_a_result_on_another_stream_is_checked_with_the_arguments_of_its_call(
    gateway: Gateway, streams: Streams
) -> None:
    response = text_result(1, '[{"n":1}]')
    streams.posts, streams.gets = [ACCEPTED], [stream(event(response))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("query", sql="select * from prices"), key, **SESSION)
    assert await resume(gateway, key) == [response]
    assert [counted.table_names for counted in await gateway.events()] == [("prices",)]


async def test_a_replayed_result_is_checked_again_for_a_key_limited_to_tables(
    gateway: Gateway, other_worker: Gateway, streams: Streams
) -> None:
    responses = [text_result(1, '[{"n":1}]'), text_result(2, '[{"n":2}]')]
    streams.posts = [stream(event("", "1"), event(responses[0], "2")), stream(event("", "3"), event(responses[1], "4"))]
    streams.gets = [stream(*map(event, responses))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("query", 1, sql="select * from prices"), key, **SESSION)
    refused = await gateway.post(call("fetch", 2), key, **SESSION)
    assert "error" in messages_in(refused.body)[0]
    first, second = await resume(other_worker, key)
    assert first == responses[0]
    assert "error" in second
    assert [counted.status for counted in await gateway.events()] == ["ok", "denied"]


@pytest.mark.parametrize("first", [stream(event(text_result(1, "hidden"), "2")), ACCEPTED], ids=["answered", "open"])
async def test_a_reused_id_gives_a_key_limited_to_tables_no_access(
    gateway: Gateway, streams: Streams, first: bytes
) -> None:
    streams.posts = [first, ACCEPTED]
    streams.gets = [stream(event(text_result(1, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post(call("fetch"), key, **SESSION)
    await gateway.post(call("query", sql="select * from prices"), key, **SESSION)
    (response,) = await resume(gateway, key)
    assert response["error"]["code"] == -32001


async def test_a_tool_result_does_not_pass_as_the_result_of_another_method(gateway: Gateway, streams: Streams) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(text_result(1, "hidden")))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}, key, **SESSION)
    (response,) = await resume(gateway, key)
    assert response["error"]["code"] == -32001


async def test_other_messages_on_another_stream_pass_to_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams
) -> None:
    prompt = {"jsonrpc": "2.0", "id": 1, "result": {"messages": []}}
    asked = {"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": {}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(PROGRESS), event(asked), event(prompt))]
    key = await gateway.key(allowed_tables=("prices",))
    await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}, key, **SESSION)
    assert await resume(gateway, key) == [PROGRESS, asked, prompt]


@pytest.mark.parametrize("is_registered", [True, False])
async def test_a_list_of_tools_on_another_stream_is_filtered(
    gateway: Gateway, streams: Streams, is_registered: bool
) -> None:
    listed = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "get_a"}, {"name": "drop_b"}]}}
    streams.posts, streams.gets = [ACCEPTED], [stream(event(listed))]
    key = await gateway.key(allowed_tools=("get_*",))
    if is_registered:
        await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key, **SESSION)
    assert [response["result"] for response in await resume(gateway, key)] == [{"tools": [{"name": "get_a"}]}]


async def test_a_key_is_denied_the_result_of_a_tool_that_only_another_key_may_call(
    gateway: Gateway, streams: Streams
) -> None:
    streams.posts, streams.gets = [ACCEPTED], [stream(event(result(1)), event(result(2)), event(result(3)))]
    await gateway.post(call("drop", 1), await gateway.key(), **SESSION)
    await gateway.post(call("get", 2), await gateway.key(), **SESSION)
    refused, passed, unknown = await resume(gateway, await gateway.key(allowed_tools=("get",)))
    assert refused["error"]["message"] == "This API key may not call drop; allowed: get"
    assert (passed, "error" in unknown) == (result(2), True)


async def test_results_on_a_listening_stream_are_counted_while_it_stays_open(
    gateway: Gateway, other_worker: Gateway, upstream: ScriptedUpstream
) -> None:
    stream_ = Listening(upstream)
    key = await gateway.key()
    async with listening(other_worker, key, **SESSION) as content:
        await gateway.post(call(id_="late"), key, **SESSION)
        await stream_.send(event(PROGRESS))
        await stream_.send(event(result("late")))
        assert [(await next_event(content))["event"] for _ in range(2)] == ["message", "message"]
        assert [counted.request_id for counted in await gateway.events()] == ['"late"']
