"""The properties of a parsed message: public or not, its tool, its tasks, its client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.protocol.message import encode_id, is_public
from gateway.protocol.message_parser import parse_body

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


def test_the_initialized_notification_is_public_only_without_an_id() -> None:
    assert public({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert not public({"jsonrpc": "2.0", "id": 1, "method": "notifications/initialized"})


@pytest.mark.parametrize("method", ["Initialize", "initialize ", "tools/call", "", "ping", "INITIALIZE"])
def test_other_methods_need_a_key(method: str) -> None:
    assert not public({**INITIALIZE, "method": method})


@pytest.mark.parametrize("extra", ["Method", "meta", "jsonrpc ", "ID", "\u0000"])
def test_a_message_with_an_additional_member_needs_a_key(extra: str) -> None:
    assert not public({**INITIALIZE, extra: "tools/call"})


def test_a_batch_needs_a_key_even_if_it_holds_a_single_public_request() -> None:
    assert not public([INITIALIZE])


@pytest.mark.parametrize("params", ["[]", '"x"', "1"])
def test_a_handshake_whose_params_are_not_an_object_is_not_public(params: str) -> None:
    body = parse_body(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}' % params.encode())
    assert not is_public(body, {"initialize"})


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
def test_a_message_lists_the_tasks_that_it_names(method: str, params: Any, tasks: tuple[str, ...]) -> None:
    (message,) = parse_body(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    ).messages
    assert (message.task_ids, message.form_error) == (tasks, "")


def test_a_response_to_the_server_is_recognised() -> None:
    (message,) = parse_body(b'{"jsonrpc":"2.0","id":3,"result":{}}').messages
    assert (message.kind, message.method, message.id) == ("response", "", 3)


def test_a_tool_call_has_a_tool_and_arguments() -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"a": [1]}}}
    (message,) = parse_body(json.dumps(body, indent=2).encode()).messages
    assert (message.tool, message.arguments, message.routing_name) == ("t", {"a": [1]}, "t")


def test_encoded_ids_of_different_types_differ() -> None:
    assert encode_id("1") != encode_id(1)


@pytest.mark.parametrize(
    ("message", "client"),
    [
        ({"method": "initialize", "params": {"clientInfo": {"name": "c", "version": "1"}}}, ("c", "1")),
        ({"method": "initialize", "params": {"clientInfo": {"name": 5, "version": None}}}, ("", "")),
        ({"method": "initialize", "params": {"clientInfo": "c"}}, ("", "")),
        ({"method": "tools/call", "params": {"clientInfo": {"name": "c", "version": "1"}}}, ("", "")),
        (
            {
                "method": "tools/call",
                "params": {"_meta": {"io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}}},
            },
            ("c", "1"),
        ),
        ({"method": "ping"}, ("", "")),
    ],
)
def test_a_message_names_its_client_in_initialize_or_in_its_metadata(message: Any, client: tuple[str, str]) -> None:
    (parsed,) = parse_body(json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()).messages
    assert parsed.client_info == client
