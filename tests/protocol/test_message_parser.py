"""The parser accepts exactly the bodies that every JSON parser reads alike."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.jsonrpc import JSONRPCMessage
from pydantic import TypeAdapter, ValidationError

from gateway.protocol.message import is_public
from gateway.protocol.message_parser import MAX_BATCH, MalformedMessage, parse_body

PUBLIC = frozenset({"initialize", "notifications/initialized", "server/discover"})
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def test_a_member_name_in_another_case_is_a_form_error() -> None:
    message = parse_body(json.dumps({**INITIALIZE, "Method": "tools/call"}).encode()).messages[0]
    assert message.form_error


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"initialize"}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"a":1,"a":2}}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"a":{"b":1,"b":1}}}',
        b'{"jsonrpc":"2.0","id":1,"m\\u0065thod":"initialize","method":"tools/call"}',
        b'[{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]',
    ],
)
def test_a_duplicate_member_name_is_rejected(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_body(body)
    assert raised.value.code == -32700


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf" + json.dumps(INITIALIZE).encode(),
        json.dumps(INITIALIZE).encode("utf-16"),
        json.dumps(INITIALIZE).encode() + b"x",
        json.dumps(INITIALIZE).encode() + json.dumps(INITIALIZE).encode(),
        b'{"jsonrpc":"2.0","id":NaN,"method":"initialize"}',
        b'{"jsonrpc":"2.0","id":1,"method":"initi\xffalize"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":[1' + b"0" * 5000 + b"]}",
        b"'{}'",
        b'{"jsonrpc":"2.0","id":1,"method":"a",}',
    ],
    ids=str,
)
def test_a_body_that_is_not_strict_json_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_body(body)
    assert raised.value.code == -32700


@pytest.mark.parametrize(
    "value",
    [
        {},
        1,
        "a",
        None,
        [],
        [[]],
        [1],
        {"id": 1, "method": "ping"},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": 2.0, "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "error": {}},
        {"jsonrpc": "2.0", "result": {}},
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}, []],
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * (MAX_BATCH + 1),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_a_body_that_is_not_a_json_rpc_message_is_an_invalid_request(value: Any) -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_body(json.dumps(value).encode())
    assert raised.value.code == -32600


def test_a_batch_with_two_requests_with_the_same_id_is_rejected() -> None:
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    with pytest.raises(MalformedMessage):
        parse_body(json.dumps([ping, ping]).encode())
    assert len(parse_body(json.dumps([ping, {**ping, "id": "7"}]).encode()).messages) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"method": "Tools/call", "params": {"name": "t"}},
        {"method": "tools/call ", "params": {"name": "t"}},
        {"method": "\ttools/ call\n", "params": {"name": "t"}},
        {"method": "tools/call\0", "params": {"name": "t"}},
        {"method": "tools\u200b/call", "params": {"name": "t"}},
        {"method": "\uff54ools/call", "params": {"name": "t"}},
        {"method": "tools/call", "params": {"name": "t", "Name": "u"}},
        {"method": "tools/call", "params": {"name": "t", "argument\u017f": {}}},
        {"method": "Subscriptions/listen", "params": {}},
        {"method": "subscriptions/listen", "params": {"Notifications": {}}},
        {"method": "subscriptions/listen", "params": {"notifications": {"taskIDs": ["x"]}}},
    ],
)
def test_an_inspected_name_in_another_case_is_a_form_error(message: dict[str, Any]) -> None:
    (parsed,) = parse_body(json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()).messages
    assert parsed.form_error


@pytest.mark.parametrize("params", [{"name": "t"}, {"name": "t", "task": {}}])
def test_a_call_without_an_id_is_a_form_error(params: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "tools/call", "params": params}).encode()
    assert "must have an id" in parse_body(body).messages[0].form_error


@pytest.mark.parametrize("arguments", [None, {}])
def test_a_call_without_arguments_is_valid(arguments: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": arguments}}).encode()
    assert parse_body(body).messages[0].form_error == ""


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", ["t", {}]),
        ("tools/call", {"name": "t", "arguments": '{"sql": "SELECT 1"}'}),
        ("tools/call", {"name": "t", "arguments": ["a"]}),
        ("tools/call", {"name": "t", "arguments": 5, "task": {}}),
        ("tasks/get", ["x"]),
        ("tasks/get", {"taskId": 5}),
        ("subscriptions/listen", ["x"]),
        ("subscriptions/listen", {"notifications": ["x"]}),
        ("subscriptions/listen", {"notifications": {"taskIds": "x"}}),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x", 5]}}),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x"] * 1001}}),
    ],
)
def test_params_that_hide_which_tool_or_task_they_name_are_a_form_error(method: str, params: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    assert parse_body(body).messages[0].form_error


def test_the_error_carries_the_id_if_it_could_be_read() -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_body(b'{"jsonrpc":"1.0","id":"seven","method":"ping"}')
    assert raised.value.id == "seven"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "1.0"]), "method": st.sampled_from(["initialize", "tools/call"]) | st.text()},
    optional={"id": JSON_VALUES, "params": JSON_VALUES, "Method": st.text(), "result": JSON_VALUES},
)
_sdk: TypeAdapter[Any] = TypeAdapter(JSONRPCMessage)


@given(
    st.binary()
    | MESSAGES.map(lambda value: json.dumps(value).encode())
    | JSON_VALUES.map(lambda v: json.dumps(v).encode())
)
def test_the_official_sdk_reads_the_same_method_and_id_from_a_public_request(body: bytes) -> None:
    try:
        parsed = parse_body(body)
    except MalformedMessage:
        return
    if not is_public(parsed, PUBLIC):
        return
    message = _sdk.validate_json(body)
    assert message.method == parsed.messages[0].method
    assert getattr(message, "id", None) == parsed.messages[0].id


@given(JSON_VALUES)
def test_the_parser_raises_nothing_but_malformed_message(value: Any) -> None:
    with contextlib.suppress(MalformedMessage):
        parse_body(json.dumps(value).encode())


def test_the_sdk_adapter_rejects_invalid_messages() -> None:
    with pytest.raises(ValidationError):
        _sdk.validate_json(b"{}")


@pytest.mark.parametrize("id_", ["1.0", "1e2", "-0.5", str(2**53), str(-(2**53))])
def test_an_id_that_some_parsers_change_is_a_form_error(id_: str) -> None:
    (message,) = parse_body(b'{"jsonrpc":"2.0","id":%b,"method":"tools/call"}' % id_.encode()).messages
    assert "the id must be" in message.form_error
    (response,) = parse_body(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % id_.encode()).messages
    assert response.form_error == ""


def test_the_number_of_containers_outside_of_strings_is_bounded() -> None:
    many = "[]," * 30_000 + "[]"
    with pytest.raises(MalformedMessage, match="more than 20000 objects and arrays"):
        parse_body(b'{"jsonrpc":"2.0","id":1,"method":"a","params": [%b]}' % many.encode())
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "a", "params": {"text": many + '"\\'}})
    assert parse_body(text.encode()).messages[0].form_error == ""
