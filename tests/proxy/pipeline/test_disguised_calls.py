"""Calls in forms that a lenient server would run, although the gateway could not check or count them: not forwarded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.proxy.keep_alive import warm_client
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.wire import answers_in

LIMITS: dict[str, dict[str, Any]] = {
    "tools": {"allowed_tools": ("get_*",)},
    "tables": {"allowed_tables": ("ok",)},
    "read only": {"read_only": True},
}


def named(name: Any, arguments: Any = None, **members: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": {} if arguments is None else arguments, **members.pop("params", {})}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **members}


def without_id(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "id"}


FOR_NOBODY: dict[str, Any] = {
    "a notification": without_id(named("get_rows")),
    "a notification in a batch": [call(), without_id(named("get_rows"))],
    "arguments as text": named("get_rows", '{"table": "secret"}'),
    "arguments as a list": named("get_rows", ["secret"]),
    "params as a list": {**named("get_rows"), "params": ["get_rows"]},
    "a method in another case": named("get_rows", method="Tools/Call"),
    "a method with a space": named("get_rows", method="tools/call "),
    "a method with a NUL": named("get_rows", method="tools/call\0"),
    "a method in full width": named("get_rows", method="\uff54ools/call"),
    "a second name": named("get_rows", params={"Name": "drop"}),
    "arguments in another case": named("get_rows", params={"Arguments": {"table": "secret"}}),
    "a second method": named("get_rows", Method="ping"),
    "a fractional id": named("get_rows", id=1.5),
}
FOR_LIMITED_KEYS: dict[str, tuple[str, dict[str, Any]]] = {
    "another case": ("tools", named("GET_rows")),
    "a space before": ("tools", named(" get_rows")),
    "full width": ("tools", named("\uff47et_rows")),
    "no text": ("tools", named(["get_rows"])),
    "no name": ("tools", {**named(""), "params": {"arguments": {}}}),
    "a tool that was not listed": ("read only", named("get_rows")),
    **{text: ("tables", named("run_sql", {"sql": text})) for text in (
        "BEGIN", "GO", "SET ROLE admin", "EXPLAIN ANALYZE INSERT INTO secret VALUES (1)", "COPY ok TO PROGRAM 'sh'",
        "SELECT * FROM ok; SELECT * FROM secret", "SELECT * FROM ok /* */ UNION TABLE secret", "CALL p()",
        "SELECT * INTO secret FROM ok", "SELECT * FROM read_csv('/etc/passwd')", "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM url('http://x/y', CSV)", "SELECT * FROM s3('https://b/k')", "SELECT * FROM file('/etc/passwd')",
        "SELECT * FROM dblink('x', 'SELECT 1') AS t(a int)", "WITH ok AS (SELECT * FROM secret) SELECT * FROM ok",
        'SELECT * FROM "ok"."secret"', "SELECT * FROM secret.ok", "SELECT * FROM ok@other", "FROM secret",
        "SELECT * FROM ok, LATERAL (SELECT * FROM secret) x", "SELECT (SELECT a FROM secret) FROM ok",
        "SELECT * FROM (WITH secret AS (SELECT 1) SELECT 1) x, secret", "SELECT * FROM ok WHERE a IN secret",
        "DO $$ BEGIN DELETE FROM secret; END $$", "PREPARE x AS SELECT * FROM secret", "EXECUTE IMMEDIATE 'SELECT 1'",
        "CREATE VIEW ok AS SELECT * FROM secret", "CREATE TABLE ok (LIKE secret)", "VACUUM INTO '/tmp/x'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE ok", "SELECT * FROM ok INTO OUTFILE '/tmp/x'", "LISTEN x",
        "ATTACH 'x' AS y", "SHOW TABLES", "GRANT ALL ON ok TO x", "SELECT XMLTABLE('x')", "HANDLER secret OPEN",
    )},
    "JSON in an argument": ("tables", named("get_rows", {"table": "ok", "join": '{"table": "secret"}'})),
    "a function in a condition": ("tables", named("get_rows", {"table": "ok", "where": "pg_read_file('x') = ''"})),
    "a query in a condition": ("tables", named("get_rows", {"table": "ok", "filter": "1 = 1 UNION TABLE secret"})),
    "an argument in another case": ("tables", named("get_rows", {"table": "ok", "TABLE": "secret"})),
}  # fmt: skip


@pytest.mark.parametrize("message", FOR_NOBODY.values(), ids=FOR_NOBODY.keys())
async def test_a_call_in_disguise_is_refused(gateway: Gateway, upstream: ScriptedUpstream, message: Any) -> None:
    response = await gateway.post(message, await gateway.key())
    assert (response.status, upstream.requests) == (400, [])
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        (answer,) = answers_in(await client.exchange(message))
        assert (answer.status, upstream.requests) == (400, [])


@pytest.mark.parametrize(("kind", "message"), FOR_LIMITED_KEYS.values(), ids=FOR_LIMITED_KEYS.keys())
async def test_a_limited_key_cannot_make_a_call_that_it_may_not_in_any_spelling(
    gateway: Gateway, upstream: ScriptedUpstream, kind: str, message: dict[str, Any]
) -> None:
    response = await gateway.post(message, await gateway.key(**LIMITS[kind]))
    assert (response.status, upstream.requests) == (403, [])
    assert await gateway.events() == []


async def test_an_escaped_method_is_checked_and_counted(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    body = json.dumps(named("drop")).replace("tools/call", "tools\\u002fcall").encode()
    assert (await gateway.post(body, await gateway.key(allowed_tools=("get_*",)))).status == 403
    assert (await gateway.post(body, await gateway.key())).status == 200
    assert len(await gateway.events()) == len(upstream.requests) == 1
