"""Matching responses to calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.keys.record import OwnerPolicy
from gateway.metering.confidence import THRESHOLD
from gateway.proxy.accounting.usage_events import arguments_hash
from gateway.usage.event import pack, unpack
from tests.proxy.accounting.transcript import call, pending, play, result

ONE_TABLE = {"allowed_tables": ("t",)}
"""The limits of a key that may read only the table `t`."""


def test_a_result_produces_one_event_and_passes_unchanged() -> None:
    calls = pending(call())
    data = result()
    inspection = calls.inspect(data)
    assert inspection.output is data
    (event,) = inspection.events
    assert (event.event_id, event.created_at, event.duration_ms) == ("id-5", 5, 250.0)
    assert (event.table_names, event.record_count, event.response_bytes) == (("t",), 3, len(data))
    assert not calls.has_pending


@pytest.mark.parametrize(("sent", "answered"), [("1", '"1"'), ('"1"', "1"), ("1", "1.5"), ('"a"', '"A"')])
def test_an_id_of_another_type_or_value_is_not_a_match(sent: str, answered: str) -> None:
    calls, _ = play(f"""
        client   >> call {sent}
        upstream >> result {answered} t 3
        store    << request {answered}
    """)
    assert calls.has_pending_results


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[1]", b"null", b'{"id":1}', b"[" * 5000, b"\xff"])
def test_data_without_a_response_passes_and_produces_no_event(data: bytes) -> None:
    inspection = pending(call()).inspect(data)
    assert (inspection.output, inspection.events, inspection.lookups) == (data, [], [])


def test_a_tool_error_counts_as_an_error_with_no_records() -> None:
    (event,) = pending(call()).inspect(result(isError=True)).events
    assert (event.status, event.is_error, event.record_count) == ("tool_error", True, 0)


@pytest.mark.parametrize(("table", "status"), [("t", "tool_error"), ("hidden", "denied")])
def test_a_tool_error_that_names_a_table_is_checked_for_a_key_limited_to_tables(table: str, status: str) -> None:
    data = result(table=table, isError=True)
    inspection = pending(call(), **ONE_TABLE).inspect(data)
    (event,) = inspection.events
    assert (inspection.output == data, event.status, event.record_count) == (status != "denied", status, 0)


def test_a_tool_error_that_names_no_table_passes_to_a_key_limited_to_tables() -> None:
    content = '{"content":[{"type":"text","text":"no such ticker: XYZ"}],"isError":true}'
    play(
        f"""
        client   >> call 1
        upstream >> {{"jsonrpc":"2.0","id":1,"result":{content}}}
        client   << unchanged
        usage    ++ 1 tool_error - 0
        """,
        **ONE_TABLE,
    )


def test_each_response_of_a_batch_is_inspected_separately() -> None:
    calls = pending(call(1), call(2), **ONE_TABLE)
    inspection = calls.inspect(b"[" + result(1) + b"," + result(2, "hidden") + b"]")
    first, second = json.loads(inspection.output)
    assert first == json.loads(result(1))
    assert (second["id"], second["error"]["code"]) == (2, -32001)
    assert [event.status for event in inspection.events] == ["ok", "denied"]


def test_a_restricted_key_is_denied_a_result_whose_tables_are_unknown() -> None:
    _, sent = play(
        """
        client   >> call 1
        upstream >> {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"the secret is 7"}]}}
        client   << error 1 -32001
        usage    ++ 1 denied - 0
        """,
        **ONE_TABLE,
    )
    assert b"secret" not in sent


@pytest.mark.parametrize(
    "value",
    [
        {"content": [{"type": "text", "text": '[{"a":1},{"a":2}]'}]},
        {"content": [{"type": "text", "text": "a,b\n1,2\n3,4"}]},
        {"content": [], "structuredContent": {"rows": [1, 2]}},
        {"content": [], "structuredContent": {"table": "", "rows": [{}]}},
        {"content": [], "structuredContent": {"table": ["t", "hidden"], "rows": [{}]}},
        {"content": [], "structuredContent": {"table": "t", "tables": ["hidden"], "rows": [{}]}},
    ],
    ids=str,
)
def test_records_are_denied_unless_their_table_is_known_to_be_allowed(value: dict[str, Any]) -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()
    inspection = pending(call(), **ONE_TABLE).inspect(data)
    (event,) = inspection.events
    assert "error" in json.loads(inspection.output)
    assert (event.status, event.record_count) == ("denied", 0)


def test_an_event_says_how_the_records_were_counted_without_their_values() -> None:
    rows = {"rows": [{"city": "Oslo"}, {"city": "Bergen"}], "row_count": 2}
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": rows}}).encode()
    (event,) = unpack(pack(pending(call()).inspect(data).events))
    assert (event.count_path, event.count_witness) == ("structuredContent.rows", "structuredContent.row_count")
    assert event.count_signs == ("common_list", "witness_agrees")
    assert event.count_confidence is not None
    assert event.count_confidence > THRESHOLD
    assert "Oslo" not in str(event)


def test_calls_of_an_abandoned_response_are_counted_with_unknown_records() -> None:
    calls = pending(call(1), call(2))
    counted = calls.count_uninspected(7).events
    assert [(event.record_count, event.count_method, event.response_bytes) for event in counted] == [
        (None, "unknown", 7)
    ] * 2
    assert not calls.has_pending


def test_equal_arguments_have_equal_hashes_in_any_order() -> None:
    assert arguments_hash({"a": 1, "b": {"c": 2, "d": 3}}) == arguments_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert arguments_hash({"a": 1}) != arguments_hash({"a": "1"})


@pytest.mark.parametrize(
    "response",
    [
        '{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"table":"hidden","rows":[NaN]}}}',
        '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\ud800"}]}}',
        '\ufeff{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hidden"}]}}',
        '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hidden"}]},"error":{"code":1}}',
        '{"jsonrpc":"2.0","id":1,"result":{"task":null,"structuredContent":{"table":"u","rows":["hidden"]}}}',
        '{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"x","content":[{"hidden":1}]}}',
        '{"jsonrpc":"2.0","id":1,"result":{"isError":0,"content":[{"type":"text","text":"hidden"}]}}',
    ],
)
def test_a_response_that_only_lenient_parsers_accept_is_still_counted_and_checked(response: str) -> None:
    inspection = pending(call(), **ONE_TABLE).inspect(response.encode())
    sent = json.loads(inspection.output)
    assert "error" in sent
    assert "hidden" not in json.dumps(sent)
    assert [event.status for event in inspection.events] == ["denied"]


def test_a_response_that_no_parser_accepts_is_denied_to_a_key_limited_to_tables() -> None:
    play(
        """
        client   >> call "a"
        upstream >> hidden {
        client   << error "a" -32001
        """,
        **ONE_TABLE,
    )


@pytest.mark.parametrize(
    "response",
    [
        '{"jsonrpc":"2.0","id":1,"method":"x","result":{"structuredContent":{"table":"t","rows":["hidden"]}}}',
        '{"jsonrpc":"2.0","id":1,"method":null,"result":{"structuredContent":{"table":"u","rows":["hidden"]}}}',
        '{"jsonrpc":"2.0","id":1,"method":"x","params":"hidden","error":{"code":1,"message":"no"}}',
        '{"jsonrpc":"2.0","result":{"structuredContent":{"table":"u","rows":["hidden"]}}}',
        '{"jsonrpc":"2.0","result":{"content":["hidden"]},"error":{"code":1,"message":"no"}}',
        '{"jsonrpc":"2.0","id":1,"Result":{"content":["hidden"]}}',
        '[[{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"table":"u","rows":["hidden"]}}}]]',
        '["hidden"]',
        '"hidden"',
    ],
)
def test_a_malformed_message_is_denied_to_a_key_limited_to_tables(response: str) -> None:
    inspection = pending(call(), **ONE_TABLE).inspect(response.encode())
    assert inspection.lookups == []
    sent = json.loads(inspection.output)
    (message,) = sent if isinstance(sent, list) else [sent]
    assert (message["id"], message["error"]["code"], inspection.events) == (1, -32001, [])
    assert b"hidden" not in inspection.output


@pytest.mark.parametrize(
    "message",
    [
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}',
        '{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}',
        '{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}',
    ],
)
def test_messages_that_are_no_response_pass_to_a_key_limited_to_tables(message: str) -> None:
    play(
        f"""
        client   >> call 1
        upstream >> {message}
        client   << unchanged
        """,
        **ONE_TABLE,
    )


def test_an_error_passes_to_a_key_limited_to_tables() -> None:
    play(
        """
        client   >> call 1
        upstream >> error 1 -32600
        client   << unchanged
        usage    ++ 1 rpc_error - 0
        """,
        **ONE_TABLE,
    )


def test_a_result_in_a_message_that_also_has_a_method_is_counted() -> None:
    data = result()[:-1] + b',"method":"x"}'
    inspection = pending(call()).inspect(data)
    (event,) = inspection.events
    assert (inspection.output, event.record_count) == (data, 3)


def test_a_list_of_tools_that_cannot_be_filtered_is_denied() -> None:
    play(
        """
        client   >> list 1
        upstream >> {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b","x":NaN}]}}
        client   << error 1 -32001
        """,
        allowed_tools=("a",),
    )


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ({"read_only": True}, ["get", "get_b"]),
        ({"allowed_tools": ("get", "drop"), "owner_policy": OwnerPolicy(allowed_tools=("drop", "get_*"))}, ["drop"]),
        ({"allowed_tools": ("*",), "owner_policy": OwnerPolicy(read_only=True)}, ["get", "get_b"]),
        ({"owner_policy": OwnerPolicy(allowed_tools=())}, []),
    ],
    ids=str,
)
def test_a_list_of_tools_shows_what_both_the_key_and_the_policy_of_its_owner_allow(
    scopes: dict[str, Any], shown: list[str]
) -> None:
    tools = [{"name": name} for name in ("get", "drop", "other", "get_b")]
    listed = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).encode()
    exchange = pending({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **scopes)
    assert exchange.may_redact
    filtered = json.loads(exchange.inspect(listed).output)["result"]
    assert filtered == {"tools": [{"name": name} for name in shown]}


@pytest.mark.parametrize(
    ("scopes", "message"),
    [
        ({"allowed_tables": ("a",)}, "This API key may not read the table secrets; allowed: a"),
        (
            {"owner_policy": OwnerPolicy(allowed_tables=("a",))},
            "The policy of this key's owner does not allow the table secrets; allowed: a",
        ),
    ],
    ids=str,
)
def test_a_result_of_another_table_is_replaced_by_an_error_that_names_it(scopes: dict[str, Any], message: str) -> None:
    inspection = pending(call(), **scopes).inspect(result(table="secrets"))
    assert json.loads(inspection.output)["error"] == {"code": -32001, "message": message}
    assert [event.status for event in inspection.events] == ["denied"]


def test_the_results_of_a_batch_are_counted_even_if_another_element_is_not_strict_json() -> None:
    calls = pending(call(1), call(2))
    inspection = calls.inspect(b"[" + result(1) + b"," + result(2) + b',{"x":NaN}]')
    assert [event.request_id for event in inspection.events] == ["1", "2"]
    assert not calls.has_pending


@pytest.mark.parametrize("limits", [{}, ONE_TABLE, {"allowed_tools": ("get",)}], ids=str)
def test_an_error_that_belongs_to_no_request_passes_without_a_lookup(limits: dict[str, Any]) -> None:
    calls, _ = play(
        """
        client   >> call 1
        upstream >> error null -32600
        client   << unchanged
        """,
        **limits,
    )
    assert calls.has_pending_results


def test_each_of_several_calls_gets_its_own_result() -> None:
    play("""
        client   >> call 1
        client   >> call "1"
        upstream >> result "1" u 2
        client   << unchanged
        usage    ++ "1" ok u 2
        upstream >> result 1 t 3
        client   << unchanged
        usage    ++ 1 ok t 3
    """)
