"""What a body is read as, and what is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.jsonrpc import JSONRPCMessage
from pydantic import TypeAdapter, ValidationError

from gateway.protocol.message import encode_id, is_public
from gateway.protocol.message_parser import MAX_BATCH, MalformedMessage, parse_body

PUBLIC = frozenset({"initialize", "notifications/initialized", "server/discover"})
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def public(body: Any) -> bool:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return is_public(parse_body(raw), PUBLIC)


@pytest.mark.parametrize("id_", [1, 0, -1, "a", "", "1", 2**70])
def test_initialize_with_a_string_or_integer_id_is_public(id_: Any) -> None:
    assert public({**INITIALIZE, "id": id_})


@pytest.mark.parametrize("id_", [None, 1.0, 1.5, True, False, {}, []])
def test_initialize_with_any_other_id_needs_a_key(id_: Any) -> None:
    assert not public({**INITIALIZE, "id": id_})


def test_initialize_without_an_id_needs_a_key() -> None:
    assert not public({"jsonrpc": "2.0", "method": "initialize"})


def test_initialized_notification_is_public_only_without_an_id() -> None:
    assert public({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert not public({"jsonrpc": "2.0", "id": 1, "method": "notifications/initialized"})


@pytest.mark.parametrize("method", ["Initialize", "initialize ", "tools/call", "", "ping", "INITIALIZE"])
def test_other_methods_need_a_key(method: str) -> None:
    assert not public({**INITIALIZE, "method": method})


@pytest.mark.parametrize("extra", ["Method", "meta", "jsonrpc ", "ID", "\u0000"])
def test_a_further_member_needs_a_key(extra: str) -> None:
    assert not public({**INITIALIZE, extra: "tools/call"})


def test_a_batch_needs_a_key_also_where_it_holds_one_public_request() -> None:
    assert not public([INITIALIZE])


def test_a_member_name_in_other_case_may_not_be_forwarded() -> None:
    message = parse_body(json.dumps({**INITIALIZE, "Method": "tools/call"}).encode()).messages[0]
    assert message.fault


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
def test_a_member_name_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_body(body)
    assert refused.value.code == -32700


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
def test_what_is_not_strict_json_is_refused_as_a_parse_error(body: bytes) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_body(body)
    assert refused.value.code == -32700


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
def test_what_is_no_json_rpc_message_is_refused_as_an_invalid_request(value: Any) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_body(json.dumps(value).encode())
    assert refused.value.code == -32600


def test_a_batch_with_two_requests_of_one_id_is_refused() -> None:
    ping = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    with pytest.raises(MalformedMessage):
        parse_body(json.dumps([ping, ping]).encode())
    assert len(parse_body(json.dumps([ping, {**ping, "id": "7"}]).encode()).messages) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"method": "Tools/call", "params": {"name": "t"}},
        {"method": "tools/call", "params": {"name": "t", "Name": "u"}},
        {"method": "tools/call", "params": {"name": "t", "argument\u017f": {}}},
        {"method": "Subscriptions/listen", "params": {}},
        {"method": "subscriptions/listen", "params": {"Notifications": {}}},
        {"method": "subscriptions/listen", "params": {"notifications": {"taskIDs": ["x"]}}},
    ],
)
def test_what_differs_from_a_deciding_name_in_case_alone_may_not_be_forwarded(message: dict[str, Any]) -> None:
    (read,) = parse_body(json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()).messages
    assert read.fault


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", ["t", {}]),
        ("tasks/get", ["x"]),
        ("tasks/get", {"taskId": 5}),
        ("subscriptions/listen", ["x"]),
        ("subscriptions/listen", {"notifications": ["x"]}),
        ("subscriptions/listen", {"notifications": {"taskIds": "x"}}),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x", 5]}}),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x"] * 1001}}),
    ],
)
def test_params_that_do_not_show_which_tool_or_task_they_name_may_not_be_forwarded(method: str, params: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    assert parse_body(body).messages[0].fault


@pytest.mark.parametrize(
    ("method", "params", "tasks"),
    [
        ("tasks/result", {"taskId": "x"}, ("x",)),
        ("tasks/list", {}, ()),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, ()),
        ("subscriptions/listen", {"notifications": {"taskIds": ["x", "y"]}}, ("x", "y")),
        ("subscriptions/listen", {"taskIds": ["x"], "notifications": {"taskIds": ["y"]}}, ("x", "y")),
        ("tools/call", {"name": "t", "taskIds": ["x"]}, ()),
    ],
)
def test_the_tasks_that_a_request_asks_for_are_known(method: str, params: Any, tasks: tuple[str, ...]) -> None:
    (message,) = parse_body(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    ).messages
    assert (message.task_ids, message.fault) == (tasks, "")


def test_a_refusal_carries_the_id_where_it_could_be_read() -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_body(b'{"jsonrpc":"1.0","id":"seven","method":"ping"}')
    assert refused.value.id == "seven"


def test_a_response_to_the_server_is_read_as_one() -> None:
    (message,) = parse_body(b'{"jsonrpc":"2.0","id":3,"result":{}}').messages
    assert (message.kind, message.method, message.id) == ("response", "", 3)


def test_a_tool_call_gives_its_tool_and_arguments() -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"a": [1]}}}
    (message,) = parse_body(json.dumps(body, indent=2).encode()).messages
    assert (message.tool, message.arguments, message.routing_name) == ("t", {"a": [1]}, "t")


def test_ids_of_different_type_are_told_apart() -> None:
    assert encode_id("1") != encode_id(1)


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
def test_what_passes_as_public_is_read_by_the_official_sdk_as_the_same_method_and_id(body: bytes) -> None:
    try:
        read = parse_body(body)
    except MalformedMessage:
        return
    if not is_public(read, PUBLIC):
        return
    seen = _sdk.validate_json(body)
    assert seen.method == read.messages[0].method
    assert getattr(seen, "id", None) == read.messages[0].id


@given(JSON_VALUES)
def test_reading_never_fails_in_another_way(value: Any) -> None:
    with contextlib.suppress(MalformedMessage):
        parse_body(json.dumps(value).encode())


def test_the_sdk_adapter_refuses_what_it_should() -> None:
    with pytest.raises(ValidationError):
        _sdk.validate_json(b"{}")


@pytest.mark.parametrize("id_", ["1.0", "1e2", "-0.5", str(2**53), str(-(2**53))])
def test_an_id_that_some_would_write_back_otherwise_may_not_be_forwarded(id_: str) -> None:
    (message,) = parse_body(b'{"jsonrpc":"2.0","id":%b,"method":"tools/call"}' % id_.encode()).messages
    assert "the id must be" in message.fault
    (answer,) = parse_body(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % id_.encode()).messages
    assert answer.fault == ""


def test_very_many_containers_are_refused_unless_they_stand_in_strings() -> None:
    many = "[]," * 30_000 + "[]"
    with pytest.raises(MalformedMessage, match="more than 20000 objects and arrays"):
        parse_body(b'{"jsonrpc":"2.0","id":1,"method":"a","params": [%b]}' % many.encode())
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "a", "params": {"text": many + '"\\'}})
    assert parse_body(text.encode()).messages[0].fault == ""


@pytest.mark.parametrize("params", ["[]", '"x"', "1"])
def test_a_handshake_whose_params_are_no_object_is_not_public(params: str) -> None:
    body = parse_body(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}' % params.encode())
    assert not is_public(body, {"initialize"})
