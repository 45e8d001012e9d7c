"""A call that creates a task is counted once, when the task's result passes, with the call's tool and arguments."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.protocol.sse_event import event_data
from tests.proxy.streams import ACCEPTED, Streams, event, messages_in, stream
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, http

SESSION = {"Mcp_Session_Id": "session-1"}
STATE = {"taskId": "task-1", "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z"}
CREATED: dict[str, dict[str, Any]] = {
    "2025-11-25": {"task": {**STATE, "status": "working", "ttl": 60000, "pollInterval": 100}},
    "extension": {"resultType": "task", **STATE, "status": "working", "ttlMs": 60000, "pollIntervalMs": 100},
}
READS = {"2025-11-25": "tasks/result", "extension": "tasks/get"}
EACH_REVISION = pytest.mark.parametrize("revision", CREATED)


def tool_result(table: str = "prices", rows: int = 2) -> dict[str, Any]:
    return {"content": [], "structuredContent": {"table": table, "rows": [{}] * rows}}


def rpc_response(result: Any, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def task_result(revision: str, result: Any) -> Any:
    """The result of a task, as a response to a task read holds it."""
    if revision == "2025-11-25":
        return {**result, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "task-1"}}}
    return {"resultType": "complete", **STATE, "status": "completed", "ttlMs": 60000, "result": result}


def read(revision: str, id_: Any = 2, task_id: str = "task-1", method: str | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method or READS[revision], "params": {"taskId": task_id}}


def json(value: Any) -> bytes:
    return http(msgspec.json.encode(value))


@pytest.fixture
def streams(upstream: ScriptedUpstream) -> Streams:
    return Streams(upstream)


@EACH_REVISION
async def test_a_task_is_counted_once_when_its_result_passes(gateway: Gateway, streams: Streams, revision: str) -> None:
    record, key = await gateway.new_key()
    streams.posts = [json(rpc_response(CREATED[revision]))]
    created = await gateway.post(call("report", 1, sql="select * from prices"), key, User_Agent="patient/1")
    assert created.json == rpc_response(CREATED[revision])
    assert await gateway.events() == []
    streams.posts = [json(rpc_response(task_result(revision, tool_result()), 2))]
    for _ in range(2):
        received = await gateway.post(read(revision), await gateway.key(), **SESSION)
        assert received.json == rpc_response(task_result(revision, tool_result()), 2)
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.table_names, counted.record_count) == ("report", ("prices",), 2)
    assert (counted.key_id, counted.client_name, counted.request_id) == (record.key_id, "patient", "1")
    assert (counted.status, counted.session_id) == ("ok", "session-1")


async def test_the_state_of_a_task_is_not_its_result(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    working = {"resultType": "complete", **STATE, "status": "working", "ttlMs": 60000}
    completed = {**STATE, "status": "completed", "ttl": 60000}
    no_such = {"jsonrpc": "2.0", "id": 2, "error": {"code": -32602, "message": "Unknown task"}}
    for revision in CREATED:
        streams.posts = [json(rpc_response(CREATED[revision]))]
        await gateway.post(call(), key)
        for state in (rpc_response(working, 2), rpc_response(completed, 2), no_such):
            streams.posts = [json(state)]
            assert (await gateway.post(read(revision, method="tasks/get"), key)).json == state
    streams.posts = [json(no_such)]
    assert (await gateway.post(read("2025-11-25"), key)).json == no_such
    assert await gateway.events() == []


@EACH_REVISION
async def test_a_failed_task_counts_as_a_call_with_is_error(gateway: Gateway, streams: Streams, revision: str) -> None:
    key = await gateway.key()
    streams.posts = [json(rpc_response(CREATED[revision]))]
    await gateway.post(call(), key)
    error = {"code": -32603, "message": "no"}
    failed = {**STATE, "resultType": "complete", "status": "failed", "error": error}
    failure = {"jsonrpc": "2.0", "id": 2, "error": error} if revision == "2025-11-25" else rpc_response(failed, 2)
    streams.posts = [json(failure)]
    for _ in range(2):
        assert (await gateway.post(read(revision), key)).json == failure
    assert [(counted.status, counted.record_count) for counted in await gateway.events()] == [("rpc_error", 0)]


@EACH_REVISION
@pytest.mark.parametrize(("table", "passes"), [("prices", True), ("secrets", False)])
async def test_a_tasks_result_is_checked_for_a_key_limited_to_tables(
    gateway: Gateway, streams: Streams, revision: str, table: str, passes: bool
) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    streams.posts = [json(rpc_response(CREATED[revision]))]
    await gateway.post(call("report"), key)
    streams.posts = [json(rpc_response(task_result(revision, tool_result(table)), 2))]
    for _ in range(2):
        received = (await gateway.post(read(revision), key)).json
        assert ("result" in received, "error" in received) == (passes, not passes)
    assert [counted.status for counted in await gateway.events()] == ["ok" if passes else "denied"]


@EACH_REVISION
async def test_a_key_limited_to_tables_is_denied_the_result_of_an_unknown_task(
    gateway: Gateway, streams: Streams, revision: str
) -> None:
    streams.posts = [json(rpc_response(task_result(revision, tool_result()), 2))]
    received = (await gateway.post(read(revision), await gateway.key(allowed_tables=("prices",)))).json
    assert received["error"]["code"] == -32001


async def test_a_key_limited_to_tables_is_denied_a_tool_result_sent_as_the_state_of_a_task(
    gateway: Gateway, streams: Streams
) -> None:
    streams.posts = [json(rpc_response({**STATE, "status": "completed", **tool_result()}, 2))]
    key = await gateway.key(allowed_tables=("prices",))
    assert (await gateway.post(read("extension"), key)).error["code"] == -32001


@EACH_REVISION
async def test_a_tasks_result_is_checked_for_a_key_limited_to_tools(
    gateway: Gateway, streams: Streams, revision: str
) -> None:
    streams.posts = [json(rpc_response(CREATED[revision]))]
    await gateway.post(call("drop"), await gateway.key())
    streams.posts = [json(rpc_response(task_result(revision, tool_result()), 2))]
    received = (await gateway.post(read(revision), await gateway.key(allowed_tools=("get",)))).json
    assert received["error"]["code"] == -32001


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"])
async def test_another_owners_task_is_not_found(
    gateway: Gateway, upstream: ScriptedUpstream, streams: Streams, method: str
) -> None:
    streams.posts = [json(rpc_response(CREATED["extension"]))]
    await gateway.post(call(), await gateway.key())
    upstream.requests.clear()
    response = await gateway.post(read("extension", method=method), await gateway.key("bob@example.com"))
    assert (response.status, response.error["code"], upstream.requests) == (404, -32602, [])


def listen(*task_ids: str) -> dict[str, Any]:
    params = {"notifications": {"taskIds": list(task_ids)}} if task_ids else {}
    return {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params}


def notification(**state: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/tasks", "params": {**STATE, "ttlMs": 60000, **state}}


@pytest.mark.parametrize("batched", [False, True])
async def test_another_owners_task_cannot_be_listened_to(
    gateway: Gateway, upstream: ScriptedUpstream, streams: Streams, batched: bool
) -> None:
    streams.posts = [json(rpc_response(CREATED["extension"]))]
    await gateway.post(call(), await gateway.key())
    upstream.requests.clear()
    body = [listen("task-2"), {**listen("task-2", "task-1"), "id": "m"}] if batched else listen("task-2", "task-1")
    response = await gateway.post(body, await gateway.key("bob@example.com"))
    assert (response.status, response.error["code"], upstream.requests) == (404, -32602, [])


@pytest.mark.parametrize(
    "sent",
    [
        event(notification(status="completed", result=tool_result()), "7"),
        event(notification(status="working", statusMessage="hidden")),
        event('{"jsonrpc":"2.0","method":"notifications\\/tasks","params":{"taskId":"task-1"}}'),
    ],
    ids=["result", "state", "escaped"],
)
@pytest.mark.parametrize("request_", [listen(), [{**listen(), "method": "ping", "id": "p"}, listen()]])
async def test_notifications_of_another_owners_task_are_dropped(
    gateway: Gateway, streams: Streams, sent: bytes, request_: Any
) -> None:
    streams.posts = [json(rpc_response(CREATED["extension"]))]
    await gateway.post(call(), await gateway.key())
    own = notification(status="working", taskId="task-2")
    streams.posts = [stream(sent, event([msgspec.json.decode(event_data(sent)), own]), event(own))]
    received = await gateway.post(request_, await gateway.key("bob@example.com"))
    assert b"task-1" not in received.body
    assert (received.body.count(b"task-2"), received.body.count(b"data")) == (2, 2)
    assert await gateway.events() == []


async def test_a_task_named_by_a_positional_param_is_rejected(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    response = await gateway.post({**read("extension"), "params": ["task-1"]}, await gateway.key())
    assert (response.status, upstream.requests) == (400, [])


async def test_a_task_created_and_read_on_other_streams_is_counted_once(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key(allowed_tables=("prices",))
    streams.posts = [ACCEPTED]
    streams.gets = [
        stream(event(rpc_response(CREATED["2025-11-25"]))),
        stream(event(rpc_response(task_result("2025-11-25", tool_result()), 2))),
    ]
    await gateway.post(call("report"), key, **SESSION)
    assert messages_in((await gateway.request("GET", key=key, **SESSION)).body) == [rpc_response(CREATED["2025-11-25"])]
    await gateway.post(read("2025-11-25"), key, **SESSION)
    for _ in range(2):
        passed = messages_in((await gateway.request("GET", key=key, **SESSION)).body)
        assert passed == [rpc_response(task_result("2025-11-25", tool_result()), 2)]
    assert [(counted.tool_name, counted.record_count) for counted in await gateway.events()] == [("report", 2)]


@pytest.mark.parametrize(("allowed", "passes"), [(None, True), (("prices",), True), (("other",), False)])
async def test_a_result_in_a_task_notification_is_counted_and_checked(
    gateway: Gateway, streams: Streams, allowed: tuple[str, ...] | None, passes: bool
) -> None:
    key = await gateway.key(allowed_tables=allowed)
    streams.posts = [json(rpc_response(CREATED["extension"]))]
    await gateway.post(call("report"), key)
    params = {**STATE, "status": "completed", "ttlMs": 60000, "result": tool_result()}
    message = {"jsonrpc": "2.0", "method": "notifications/tasks", "params": params}
    streams.posts = [stream(event(message))]
    listen = {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": {}}
    (received,) = messages_in((await gateway.post(listen, key)).body)
    assert (received == message) is passes
    assert ("result" in received["params"], received["params"]["status"]) == (
        passes,
        "completed" if passes else "failed",
    )
    streams.posts = [json(rpc_response(task_result("extension", tool_result()), 2))]
    await gateway.post(read("extension"), key)
    assert [counted.status for counted in await gateway.events()] == ["ok" if passes else "denied"]


async def test_a_task_that_is_cancelled_or_requires_input_is_not_counted(gateway: Gateway, streams: Streams) -> None:
    key = await gateway.key()
    streams.posts = [json(rpc_response(CREATED["extension"]))]
    await gateway.post(call(), key)
    for state in ({"status": "input_required", "inputRequests": {}}, {"status": "cancelled"}):
        streams.posts = [json(rpc_response({"resultType": "complete", **STATE, **state}, 2))]
        assert (await gateway.post(read("extension"), key)).json["result"]["status"] == state["status"]
    assert await gateway.events() == []


async def test_a_task_is_stored_no_longer_than_its_lifetime(gateway: Gateway, streams: Streams) -> None:
    streams.posts = [json(rpc_response(CREATED["2025-11-25"]))]
    await gateway.post(call(), await gateway.key())
    for pattern in ("*awaited:*", "*task-owner:*"):
        (name,) = [name async for name in gateway.redis.scan_iter(pattern)]
        assert 60 < await gateway.redis.ttl(name) <= 120


@pytest.mark.parametrize(("name", "status"), [("task-1", 200), ("task-2", 400)])
async def test_mcp_name_must_match_the_task(gateway: Gateway, streams: Streams, name: str, status: int) -> None:
    streams.posts = [json(rpc_response({"resultType": "complete", **STATE, "status": "working"}, 2))]
    response = await gateway.post(read("extension"), await gateway.key(), Mcp_Method="tasks/get", Mcp_Name=name)
    assert response.status == status
    assert status == 200 or response.error["code"] == -32020
