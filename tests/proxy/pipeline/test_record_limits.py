"""A limit of records is exceeded by the records of one result at most, on every way a result takes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, http, sse_head

ROWS = 3


def result(id_: Any) -> dict[str, Any]:
    structured = {"table": "t", "rows": list(range(ROWS))}
    return {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": structured}}


async def respond_json(request: Request, writer: asyncio.StreamWriter) -> None:
    """Respond with all results in one JSON text."""
    calls = request.message
    results = [result(each["id"]) for each in calls] if isinstance(calls, list) else result(calls["id"])
    writer.write(http(json.dumps(results).encode()))


async def respond_events(request: Request, writer: asyncio.StreamWriter) -> None:
    """Respond with an event for each result."""
    calls = request.message if isinstance(request.message, list) else [request.message]
    events = b"".join(chunk(b"data: %b\n\n" % json.dumps(result(each["id"])).encode()) for each in calls)
    writer.write(sse_head() + events + chunk(b""))


@pytest.mark.parametrize("respond", [respond_json, respond_events])
async def test_of_many_parallel_calls_one_result_exceeds_the_limit(
    gateway: Gateway, upstream: ScriptedUpstream, respond: Any
) -> None:
    arrived, release = 0, asyncio.Event()

    async def respond_together(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 8:
            release.set()
        await release.wait()
        await respond(request, writer)

    upstream.answer = respond_together
    key = await gateway.key(records_per_day=2 * ROWS + 1)
    responses = await asyncio.gather(*(gateway.post(call(id_=id_), key) for id_ in range(8)))
    texts = [response.body.decode() for response in responses]
    assert sum('"rows"' in text for text in texts) == 3
    assert sum("7 records a day" in text for text in texts) == 5
    await gateway.until_events(8)
    events = await gateway.events()
    assert sorted(event.status for event in events) == ["denied"] * 5 + ["ok"] * 3
    assert sum(event.record_count or 0 for event in events) == 3 * ROWS


async def test_a_json_result_beyond_the_limit_is_429(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    both_sent = asyncio.Event()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.message["id"] == 2:
            both_sent.set()
        await both_sent.wait()
        await respond_json(request, writer)

    upstream.answer = respond
    key = await gateway.key(records_per_day=1)
    responses = await asyncio.gather(*(gateway.post(call(id_=id_), key) for id_ in (1, 2)))
    denied = max(responses, key=lambda response: response.status)
    assert sorted(response.status for response in responses) == [200, 429]
    assert denied.json["id"] in (1, 2)
    assert "1 records a day" in denied.error["message"]
    assert int(denied.headers["Retry-After"]) <= 86_400


async def test_the_limits_of_day_and_month_apply_together(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = respond_json
    key = await gateway.key(records_per_day=10 * ROWS, records_per_month=ROWS + 1)
    assert [(await gateway.post(call(), key)).status for _ in range(2)] == [200, 200]
    response = await gateway.post(call(), key)
    assert response.status == 429
    assert "4 records a month; it resets at " in response.error["message"]
    assert int(response.headers["Retry-After"]) <= 31 * 86_400


@pytest.mark.parametrize("limit", ["records_per_day", "records_per_month"])
@pytest.mark.parametrize("respond", [respond_json, respond_events])
async def test_of_a_batch_the_results_beyond_the_limit_are_replaced(
    gateway: Gateway, upstream: ScriptedUpstream, respond: Any, limit: str
) -> None:
    upstream.answer = respond
    limits: dict[str, Any] = {limit: ROWS + 1}
    key = await gateway.key(**limits)
    response = await gateway.post([call(id_=id_) for id_ in (1, 2, 3)], key)
    text = response.body.decode()
    assert response.status == 200
    assert (text.count('"rows"'), text.count("4 records a " + limit.removeprefix("records_per_"))) == (2, 1)
    await gateway.until_events(3)
    assert [event.status for event in await gateway.events()] == ["ok", "ok", "denied"]
