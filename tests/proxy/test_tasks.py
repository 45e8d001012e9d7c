"""Calls that become tasks: counted once, when their result is told, with the tool and the arguments of the call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.protocol.sse import event_data
from tests.proxy.streams import ACCEPTED, Streams, event, messages_in, stream
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, http

S = {"Mcp_Session_Id": "session-1"}
STATE = {"taskId": "task-1", "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"}
MADE: dict[str, dict[str, Any]] = {
    "2025-11-25": {"task": {**STATE, "status": "working", "ttl": 60000, "pollInterval": 100}},
    "extension": {"resultType": "task", **STATE, "status": "working", "ttlMs": 60000, "pollIntervalMs": 100},
}
READS = {"2025-11-25": "tasks/result", "extension": "tasks/get"}
ERAS = pytest.mark.parametrize("era", MADE)


def outcome(table: str = "prices", rows: int = 2) -> dict[str, Any]:
    return {"content": [], "structuredContent": {"table": table, "rows": [{}] * rows}}


def answer(result: Any, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def told(era: str, result: Any) -> Any:
    """How the result of a task is told."""
    if era == "2025-11-25":
        return {**result, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "task-1"}}}
    return {"resultType": "complete", **STATE, "status": "completed", "ttlMs": 60000, "result": result}


def read(era: str, id_: Any = 2, task_id: str = "task-1", method: str | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method or READS[era], "params": {"taskId": task_id}}


def json(value: Any) -> bytes:
    return http(msgspec.json.encode(value))


@pytest.fixture
def streams(upstream: ScriptedUpstream) -> Streams:
    return Streams(upstream)


@ERAS
async def test_a_task_is_counted_once_when_its_result_is_told(gateway: Gateway, streams: Streams, era: str) -> None:
    record, key = await gateway.new_key()
    streams.posts = [json(answer(MADE[era]))]
    made = await gateway.post(call("report", 1, sql="select * from prices"), key, User_Agent="patient/1")
    assert made.json == answer(MADE[era])
    assert await gateway.events() == []
    streams.posts = [json(answer(told(era, outcome()), 2))]
    for _ in range(2):
        fetched = await gateway.post(read(era), await gateway.key(), **S)
        assert fetched.json == answer(told(era, outcome()), 2)
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.table_names, counted.record_count) == ("report", ("prices",), 2)
    assert (counted.key_id, counted.client_name, counted.request_id) == (record.key_id, "patient", "1")
    assert (counted.status, counted.session_id) == ("ok", "session-1")


async def test_the_state_of_a_task_is_no_result(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    working = {"resultType": "complete", **STATE, "status": "working", "ttlMs": 60000}
    completed = {**STATE, "status": "completed", "ttl": 60000}
    no_such = {"jsonrpc": "2.0", "id": 2, "error": {"code": -32602, "message": "Unknown task"}}
    for era in MADE:
        streams.posts = [json(answer(MADE[era]))]
        await gateway.post(call(), key)
        for state in (answer(working, 2), answer(completed, 2), no_such):
            streams.posts = [json(state)]
            assert (await gateway.post(read(era, method="tasks/get"), key)).json == state
    streams.posts = [json(no_such)]
    assert (await gateway.post(read("2025-11-25"), key)).json == no_such
    assert await gateway.events() == []


@ERAS
async def test_a_task_that_failed_is_a_call_with_is_error(gateway: Gateway, streams: Streams, era: str) -> None:
    key = await gateway.key()
    streams.posts = [json(answer(MADE[era]))]
    await gateway.post(call(), key)
    error = {"code": -32603, "message": "no"}
    failed = {**STATE, "resultType": "complete", "status": "failed", "error": error}
    told_ = {"jsonrpc": "2.0", "id": 2, "error": error} if era == "2025-11-25" else answer(failed, 2)
    streams.posts = [json(told_)]
    for _ in range(2):
        assert (await gateway.post(read(era), key)).json == told_
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [("rpc_error", 0)]


@ERAS
@pytest.mark.parametrize(("table", "passes"), [("prices", True), ("secrets", False)])
async def test_a_tasks_result_is_checked_for_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams, era: str, table: str, passes: bool
) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    streams.posts = [json(answer(MADE[era]))]
    await gateway.post(call("report"), key)
    streams.posts = [json(answer(told(era, outcome(table)), 2))]
    for _ in range(2):
        fetched = (await gateway.post(read(era), key)).json
        assert ("result" in fetched, "error" in fetched) == (passes, not passes)
    assert [counted.status for counted in await gateway.events()] == ["ok" if passes else "denied"]


@ERAS
async def test_the_result_of_a_task_that_nobody_knows_is_refused_to_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams, era: str
) -> None:
    streams.posts = [json(answer(told(era, outcome()), 2))]
    fetched = (await gateway.post(read(era), await gateway.key(allowed_tables=("prices",)))).json
    assert fetched["error"]["code"] == -32001


async def test_a_result_in_the_place_of_a_tasks_state_is_refused_to_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams
) -> None:
    streams.posts = [json(answer({**STATE, "status": "completed", **outcome()}, 2))]
    key = await gateway.key(allowed_tables=("prices",))
    assert (await gateway.post(read("extension"), key)).error["code"] == -32001


@ERAS
async def test_a_tasks_result_is_checked_for_a_key_limited_to_tools(
    gateway: Gateway, streams: Streams, era: str
) -> None:
    streams.posts = [json(answer(MADE[era]))]
    await gateway.post(call("drop"), await gateway.key())
    streams.posts = [json(answer(told(era, outcome()), 2))]
    fetched = (await gateway.post(read(era), await gateway.key(allowed_tools=("get",)))).json
    assert fetched["error"]["code"] == -32001


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"])
async def test_another_owners_task_is_not_found(
    gateway: Gateway, upstream: ScriptedUpstream, streams: Streams, method: str
) -> None:
    streams.posts = [json(answer(MADE["extension"]))]
    await gateway.post(call(), await gateway.key())
    upstream.requests.clear()
    asked = await gateway.post(read("extension", method=method), await gateway.key("bob@example.com"))
    assert (asked.status, asked.error["code"], upstream.requests) == (404, -32602, [])


def listen(*task_ids: str) -> dict[str, Any]:
    params = {"notifications": {"taskIds": list(task_ids)}} if task_ids else {}
    return {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params}


def news(**state: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/tasks", "params": {**STATE, "ttlMs": 60000, **state}}


@pytest.mark.parametrize("batched", [False, True])
async def test_another_owners_task_cannot_be_listened_to(
    gateway: Gateway, upstream: ScriptedUpstream, streams: Streams, batched: bool
) -> None:
    streams.posts = [json(answer(MADE["extension"]))]
    await gateway.post(call(), await gateway.key())
    upstream.requests.clear()
    body = [listen("task-2"), {**listen("task-2", "task-1"), "id": "m"}] if batched else listen("task-2", "task-1")
    asked = await gateway.post(body, await gateway.key("bob@example.com"))
    assert (asked.status, asked.error["code"], upstream.requests) == (404, -32602, [])


@pytest.mark.parametrize(
    "told",
    [
        event(news(status="completed", result=outcome()), "7"),
        event(news(status="working", statusMessage="hidden")),
        event('{"jsonrpc":"2.0","method":"notifications\\/tasks","params":{"taskId":"task-1"}}'),
    ],
    ids=["result", "state", "escaped"],
)
@pytest.mark.parametrize("request_", [listen(), [{**listen(), "method": "ping", "id": "p"}, listen()]])
async def test_news_of_another_owners_task_are_dropped(
    gateway: Gateway, streams: Streams, told: bytes, request_: Any
) -> None:
    streams.posts = [json(answer(MADE["extension"]))]
    await gateway.post(call(), await gateway.key())
    own = news(status="working", taskId="task-2")
    streams.posts = [stream(told, event([msgspec.json.decode(event_data(told)), own]), event(own))]
    heard = await gateway.post(request_, await gateway.key("bob@example.com"))
    assert b"task-1" not in heard.body
    assert (heard.body.count(b"task-2"), heard.body.count(b"data")) == (2, 2)
    assert await gateway.events() == []


async def test_a_task_that_a_request_names_by_position_is_refused(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    asked = await gateway.post({**read("extension"), "params": ["task-1"]}, await gateway.key())
    assert (asked.status, upstream.requests) == (400, [])


async def test_a_task_that_is_made_and_told_on_other_streams_is_counted_once(
    gateway: Gateway, streams: Streams
) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    streams.posts = [ACCEPTED]
    streams.gets = [stream(event(answer(MADE["2025-11-25"]))), stream(event(answer(told("2025-11-25", outcome()), 2)))]
    await gateway.post(call("report"), key, **S)
    assert messages_in((await gateway.request("GET", key=key, **S)).body) == [answer(MADE["2025-11-25"])]
    await gateway.post(read("2025-11-25"), key, **S)
    for _ in range(2):
        passed = messages_in((await gateway.request("GET", key=key, **S)).body)
        assert passed == [answer(told("2025-11-25", outcome()), 2)]
    assert [(counted.tool_name, counted.record_count) for counted in await gateway.events()] == [("report", 2)]


@pytest.mark.parametrize(("allowed", "passes"), [(None, True), (("prices",), True), (("other",), False)])
async def test_a_result_that_is_told_to_a_subscription_is_counted_and_checked(
    gateway: Gateway, streams: Streams, allowed: tuple[str, ...] | None, passes: bool
) -> None:
    key = await gateway.key(allowed_tables=allowed)
    streams.posts = [json(answer(MADE["extension"]))]
    await gateway.post(call("report"), key)
    params = {**STATE, "status": "completed", "ttlMs": 60000, "result": outcome()}
    news = {"jsonrpc": "2.0", "method": "notifications/tasks", "params": params}
    streams.posts = [stream(event(news))]
    listen = {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": {}}
    (heard,) = messages_in((await gateway.post(listen, key)).body)
    assert (heard == news) is passes
    assert ("result" in heard["params"], heard["params"]["status"]) == (passes, "completed" if passes else "failed")
    streams.posts = [json(answer(told("extension", outcome()), 2))]
    await gateway.post(read("extension"), key)
    assert [counted.status for counted in await gateway.events()] == ["ok" if passes else "denied"]


async def test_a_cancelled_or_asking_task_is_no_completed_call(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key()
    streams.posts = [json(answer(MADE["extension"]))]
    await gateway.post(call(), key)
    for state in ({"status": "input_required", "inputRequests": {}}, {"status": "cancelled"}):
        streams.posts = [json(answer({"resultType": "complete", **STATE, **state}, 2))]
        assert (await gateway.post(read("extension"), key)).json["result"]["status"] == state["status"]
    assert await gateway.events() == []


async def test_a_task_is_remembered_for_no_longer_than_it_lives(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [json(answer(MADE["2025-11-25"]))]
    await gateway.post(call(), await gateway.key())
    for pattern in ("*awaited:*", "*task-owner:*"):
        (name,) = [name async for name in gateway.redis.scan_iter(pattern)]
        assert 60 < await gateway.redis.ttl(name) <= 120


@pytest.mark.parametrize(("name", "status"), [("task-1", 200), ("task-2", 400)])
async def test_mcp_name_is_held_against_the_task(gateway: Gateway, streams: Streams, name: str, status: int) -> None:
    streams.posts = [json(answer({"resultType": "complete", **STATE, "status": "working"}, 2))]
    asked = await gateway.post(read("extension"), await gateway.key(), Mcp_Method="tasks/get", Mcp_Name=name)
    assert asked.status == status
    assert status == 200 or asked.error["code"] == -32020
