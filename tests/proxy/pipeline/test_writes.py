"""Writes of a key limited to tables: refused before they are forwarded, or executed and answered; never both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxy.keep_alive import KeepAliveClient, warm_client
from tests.proxy.streams import Listening, event, listening, next_event, text_result
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, answer_json, answer_raw, http, sse_event
from tests.support.wire import answers_in

ALLOWED = [
    *(call("run_sql", sql=text) for text in (
        "INSERT INTO ok VALUES (1)", "INSERT INTO OK SELECT * FROM also", "UPDATE ok SET a = 1 WHERE b = 2",
        "DELETE FROM ok", "CREATE TABLE ok (a int)", "DROP TABLE ok", "TRUNCATE TABLE ok", "ALTER TABLE ok ADD b int",
        "MERGE INTO ok USING also ON ok.a = also.a WHEN MATCHED THEN DELETE", "CREATE INDEX i ON ok (a)",
        "BEGIN; INSERT INTO ok VALUES (1); COMMIT",
    )),
    call("insert_row", table="ok", row={"a": 1}),
    call("delete_rows", table="ok"),
]  # fmt: skip
REFUSED = [
    *(call("run_sql", sql=text) for text in (
        "INSERT INTO secret VALUES (1)", "INSERT INTO ok SELECT * FROM secret", "DELETE FROM ok USING secret",
        "WITH d AS (DELETE FROM secret RETURNING *) INSERT INTO ok SELECT * FROM d", "DROP TABLE ok, secret",
        "DROP TABLE ok CASCADE", "SET search_path = secret", "CALL f()", "INSERT INTO ok SELECT f()",
        "CREATE FUNCTION ok() RETURNS int AS 'DELETE FROM secret' LANGUAGE sql", "DO $$ DELETE FROM secret $$",
        "INSERT INTO ok VALUES (1); DELETE FROM secret", "ALTER TABLE ok RENAME TO secret",
        "COPY ok FROM '/etc/passwd'",
    )),
    call("insert_row", table="secret", row={"a": 1}),
    call("insert_row", row={"a": 1}),
    call("create_ticket", title="x"),
]  # fmt: skip
MESSAGES = pytest.mark.parametrize("text", ["1 row affected", "OK", '{"rows_affected":1}', "", "[]"])


def name_of(message: dict[str, Any]) -> str:
    return str(message["params"]["arguments"].get("sql") or message["params"])


async def key_of(gateway: Gateway) -> str:
    return await gateway.key(allowed_tables=("ok", "also"))


async def on_fast_path(client: KeepAliveClient, message: dict[str, Any]) -> Any:
    (answer,) = answers_in(await client.exchange(message))
    return answer


@MESSAGES
@pytest.mark.parametrize("message", ALLOWED, ids=name_of)
async def test_a_write_to_an_allowed_table_is_answered(
    gateway: Gateway, upstream: ScriptedUpstream, message: dict[str, Any], text: str
) -> None:
    upstream.answer = answer_json(text_result(1, text))
    response = await gateway.post(message, await key_of(gateway))
    assert (response.status, response.json) == (200, text_result(1, text))
    (counted,) = await gateway.events()
    assert (counted.status, counted.written_tables) == ("ok", ("ok",))
    assert set(counted.table_names) <= {"also"}


async def test_a_write_is_answered_on_the_fast_path_and_in_events(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    async with warm_client(gateway, upstream, await gateway.key(allowed_tables=("ok", "prices"))) as client:
        for raw in (
            http(b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'),
            http(sse_event(text_result(1, "OK")), "text/event-stream"),
        ):
            upstream.answer = answer_raw(raw)
            assert b'"result"' in (await on_fast_path(client, ALLOWED[0])).body
    assert [event.written_tables for event in await gateway.events()] == [(), ("ok",), ("ok",)]


@pytest.mark.parametrize("message", REFUSED, ids=name_of)
async def test_a_write_that_is_not_allowed_or_cannot_be_judged_is_not_forwarded(
    gateway: Gateway, upstream: ScriptedUpstream, message: dict[str, Any]
) -> None:
    response = await gateway.post(message, await key_of(gateway))
    assert (response.status, upstream.requests) == (403, [])
    async with warm_client(gateway, upstream, await gateway.key(allowed_tables=("ok", "prices"))) as client:
        assert (await on_fast_path(client, message)).status == 403
    assert upstream.requests == []


async def test_a_write_that_returns_rows_of_another_table_is_withheld(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    structured = {"table": "secret", "rows": [{"a": 1}]}
    upstream.answer = answer_json(
        {"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": structured}}
    )
    response = await gateway.post(ALLOWED[0], await key_of(gateway))
    assert "may not read the table secret" in response.error["message"]


@pytest.mark.parametrize("padding", [0, 5000])
async def test_a_write_is_answered_on_another_stream(
    gateway: Gateway, upstream: ScriptedUpstream, padding: int
) -> None:
    stream, key = Listening(upstream), await key_of(gateway)
    async with listening(gateway, key) as content:
        await stream.send(event("/messages/?session_id=abc", type_="endpoint"))
        target = (await next_event(content))["data"]
        text = f"INSERT INTO ok SELECT * FROM also WHERE a = '{'x' * padding}'"
        assert (await gateway.request("POST", target, key=key, data=call("run_sql", sql=text))).status == 202
        await stream.send(event(text_result(1, "1 row affected")))
        assert '"result"' in (await next_event(content))["data"]
    (counted,) = await gateway.events()
    assert (counted.status, counted.table_names, counted.written_tables) == ("ok", ("also",), ("ok",))


async def test_the_tables_of_a_write_of_any_key_are_recorded(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_json(text_result(1, "OK"))
    for message in (ALLOWED[1], call("get", table="ok")):
        await gateway.post(message, await gateway.key())
    assert [event.written_tables for event in await gateway.events()] == [("ok",), ()]
