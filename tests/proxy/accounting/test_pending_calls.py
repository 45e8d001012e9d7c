"""Results matched to calls, without a loop or a socket."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.keys.record import KeyRecord
from gateway.protocol.message_parser import parse_body
from gateway.proxy.accounting.call_meter import CallMeter
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.accounting.usage_events import arguments_hash
from gateway.proxy.clock import Clock
from gateway.usage.event import UsageEvent
from tests.proxy.callers import CALLER

METER = CallMeter(None, lambda: None)


def key(**fields: Any) -> KeyRecord:
    return KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-", owner="ann", created_at=0, **fields)


def calls(*messages: Any, record: KeyRecord | None = None) -> PendingCalls:
    times = iter([100.0, 100.25, 100.5, 101.0])
    clock = Clock(now_ms=lambda: 5, monotonic=lambda: next(times), new_event_id=lambda now: f"id-{now}")
    services = AccountingServices(clock, METER)
    return PendingCalls(parse_body(json.dumps(list(messages)).encode()).messages, CALLER, record or key(), services)


def observed(waiting: PendingCalls, data: bytes) -> tuple[bytes, list[UsageEvent]]:
    inspection = waiting.inspect(data)
    assert inspection.lookups == []
    return inspection.output, inspection.events


def call(id_: Any = 1, tool: str = "get", **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def result(id_: Any = 1, table: str = "t", rows: int = 3, **more: Any) -> bytes:
    structured = {"table": table, "rows": [{}] * rows}
    return json.dumps(
        {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": structured, **more}}
    ).encode()


def test_a_result_makes_one_event_and_passes_unchanged() -> None:
    waiting = calls(call())
    data = result()
    passed, (event,) = observed(waiting, data)
    assert passed is data
    assert (event.event_id, event.created_at, event.duration_ms) == ("id-5", 5, 250.0)
    assert (event.table_names, event.record_count, event.response_bytes) == (("t",), 3, len(data))
    assert not waiting.has_pending


@pytest.mark.parametrize(("sent", "answered"), [(1, "1"), ("1", 1), (1, 1.5), ("a", "A")])
def test_an_id_of_another_type_or_value_is_no_answer(sent: Any, answered: Any) -> None:
    waiting = calls(call(sent))
    assert [lookup.id for lookup in waiting.inspect(result(answered)).lookups] == [json.dumps(answered)]
    assert waiting.has_pending_results


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[1]", b"null", b'{"id":1}', b"[" * 5000, b"\xff"])
def test_what_is_no_answer_passes_and_makes_no_event(data: bytes) -> None:
    assert observed(calls(call()), data) == (data, [])


def test_an_error_result_is_an_error_with_no_records() -> None:
    _, (event,) = observed(calls(call()), result(isError=True))
    assert (event.status, event.is_error, event.record_count) == ("tool_error", True, 0)


@pytest.mark.parametrize(("table", "status"), [("t", "tool_error"), ("hidden", "denied")])
def test_an_error_result_that_names_a_table_is_checked_for_a_key_limited_to_tables(table: str, status: str) -> None:
    data = result(table=table, isError=True)
    passed, (event,) = observed(calls(call(), record=key(allowed_tables=("t",))), data)
    assert (passed == data, event.status, event.record_count) == (status != "denied", status, 0)


def test_an_error_result_that_names_no_table_passes_to_a_key_limited_to_tables() -> None:
    text = {"content": [{"type": "text", "text": "no such ticker: XYZ"}], "isError": True}
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": text}).encode()
    passed, (event,) = observed(calls(call(), record=key(allowed_tables=("t",))), data)
    assert (passed, event.status) == (data, "tool_error")


def test_a_batch_of_answers_is_taken_apart() -> None:
    waiting = calls(call(1), call(2), record=key(allowed_tables=("t",)))
    data = b"[" + result(1) + b"," + result(2, "hidden") + b"]"
    passed, events = observed(waiting, data)
    first, second = msgspec.json.decode(passed)
    assert first == json.loads(result(1))
    assert (second["id"], second["error"]["code"]) == (2, -32001)
    assert [event.status for event in events] == ["ok", "denied"]


def test_a_result_whose_tables_cannot_be_known_is_refused_to_a_restricted_key() -> None:
    text = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "the secret is 7"}]}}
    passed, (event,) = observed(calls(call(), record=key(allowed_tables=("t",))), json.dumps(text).encode())
    assert b"secret" not in passed
    assert event.status == "denied"


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
def test_records_of_a_table_that_is_not_known_to_be_allowed_are_refused(value: dict[str, Any]) -> None:
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()
    passed, (event,) = observed(calls(call(), record=key(allowed_tables=("t",))), data)
    assert "error" in json.loads(passed)
    assert (event.status, event.record_count) == ("denied", 0)


def test_what_is_too_large_to_be_read_is_counted_as_unknown() -> None:
    waiting = calls(call(1), call(2))
    assert [(event.record_count, event.count_method) for event in waiting.abandon().events] == [(None, "unknown")] * 2
    assert not waiting.has_pending


def test_equal_arguments_have_equal_hashes_whatever_their_order() -> None:
    assert arguments_hash({"a": 1, "b": {"c": 2, "d": 3}}) == arguments_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert arguments_hash({"a": 1}) != arguments_hash({"a": "1"})


def structured(text: str, restricted: bool = False) -> tuple[Any, list[UsageEvent]]:
    passed, events = observed(calls(call(), record=key(allowed_tables=("t",)) if restricted else None), text.encode())
    return json.loads(passed), events


@pytest.mark.parametrize(
    "text",
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
def test_what_lenient_readers_read_is_neither_uncounted_nor_unchecked(text: str) -> None:
    passed, events = structured(text, restricted=True)
    assert "error" in passed
    assert "hidden" not in json.dumps(passed)
    assert [event.status for event in events] == ["denied"]


def test_what_nobody_can_read_does_not_pass_to_a_key_limited_to_tables() -> None:
    passed, events = observed(calls(call("a"), record=key(allowed_tables=("t",))), b"hidden {")
    assert (json.loads(passed)["id"], json.loads(passed)["error"]["code"], events) == ("a", -32001, [])


@pytest.mark.parametrize(
    "text",
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
def test_what_is_no_message_does_not_pass_to_a_key_limited_to_tables(text: str) -> None:
    passed, events = observed(calls(call(), record=key(allowed_tables=("t",))), text.encode())
    read = json.loads(passed)
    (message,) = read if isinstance(read, list) else [read]
    assert (message["id"], message["error"]["code"], events) == (1, -32001, [])
    assert b"hidden" not in passed


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}',
        '{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}',
        '{"jsonrpc":"2.0","error":{"code":-32600,"message":"no"}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}',
    ],
)
def test_other_messages_pass_to_a_key_limited_to_tables(text: str) -> None:
    assert observed(calls(call(), record=key(allowed_tables=("t",))), text.encode())[0] == text.encode()


def test_a_result_beside_a_method_is_counted() -> None:
    data = result()[:-1] + b',"method":"x"}'
    passed, (event,) = observed(calls(call()), data)
    assert (passed, event.record_count) == (data, 3)


def test_a_list_of_tools_that_cannot_be_filtered_is_refused() -> None:
    listing = calls({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, record=key(allowed_tools=("a",)))
    passed, _ = observed(listing, b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b","x":NaN}]}}')
    assert json.loads(passed)["error"]["code"] == -32001


def test_a_result_that_breaks_off_the_rest_of_a_batch_is_counted_with_it() -> None:
    waiting = calls(call(1), call(2))
    _, events = observed(waiting, b"[" + result(1) + b"," + result(2) + b',{"x":NaN}]')
    assert [event.request_id for event in events] == ["1", "2"]
    assert not waiting.has_pending


@pytest.mark.parametrize("record", [key(), key(allowed_tables=("t",)), key(allowed_tools=("get",))])
def test_an_error_that_belongs_to_no_request_passes_and_asks_nothing(record: KeyRecord) -> None:
    data = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}'
    waiting = calls(call(), record=record)
    assert observed(waiting, data) == (data, [])
    assert waiting.has_pending_results
