"""Values of arguments as JavaScript writes them."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.message import is_public
from gateway.protocol.message_parser import MalformedMessage, parse_body

MAX = sys.float_info.max


def body(arguments: str, **members: str) -> bytes:
    """Return a `tools/call` with these arguments and other members, as JSON."""
    parts = {"jsonrpc": '"2.0"', "id": "1", "method": '"tools/call"', **members}
    params = '{"name":"t","arguments":' + arguments + "}"
    return ("{" + ",".join(f'"{name}":{value}' for name, value in parts.items()) + f',"params":{params}}}').encode()


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ('{"a":"\\ud800"}', {"a": "\ufffd"}),
        ('{"a":"x\\udc00\\ud800y"}', {"a": "x\ufffd\ufffdy"}),
        ('{"a":"\\ud83d\\ude00\\ud83d"}', {"a": "\U0001f600\ufffd"}),
        ('{"a":1e400,"b":-1e999}', {"a": MAX, "b": -MAX}),
        ('{"a":[{"b":["\\ud800",1e400]}],"c":1.5}', {"a": [{"b": ["\ufffd", MAX]}], "c": 1.5}),
        ('{"a":"\\ud800","n":null,"t":true,"i":12345678901234567890123}', None),
    ],
)
def test_what_javascript_writes_passes_in_the_values_of_arguments(arguments: str, parsed: Any) -> None:
    (message,) = parse_body(body(arguments)).messages
    assert (message.tool, message.form_error, message.is_strict) == ("t", "", False)
    if parsed is not None:
        assert message.arguments == parsed
    assert msgspec.json.encode(message.arguments)


@pytest.mark.parametrize(
    "raw",
    [
        body('{"\\ud800":1}'),
        body('{"a":{"\\udc00":"\\ud800"}}'),
        body('{"a":1e400,"a":2}'),
        body('{"a":"\\ud800","b":{"c":1,"c":1}}'),
        body('{"a":NaN}'),
        body('{"a":Infinity,"b":"\\ud800"}'),
        body('{"a":"\\ud800"}', id='"\\ud800"'),
        body('{"a":1e400}', id="1e400"),
        body('{"a":1}', method='"tools/call\\ud800"'),
        body('{"a":1}', extra="1e400"),
        body('{"a":"\\ud800\xff"}').replace("ÿ".encode(), b"\xff"),
        b"\xef\xbb\xbf" + body('{"a":"\\ud800"}'),
        body('{"a":"\\ud800"}') + b"x",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800","arguments":{}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"a":"\\ud800"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"b":{"arguments":"\\ud800"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","arguments":{"b":"\\ud800"}}',
        body('{"a":"\\ud800","b":' + "[" * 5000 + "]" * 5000 + "}"),
        body('{"a":1e400,"b":' + "1" * 5000 + "}"),
    ],
    ids=range(19),
)
def test_everything_else_is_strict(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as raised:
        parse_body(raw)
    assert raised.value.code == -32700


@pytest.mark.parametrize(
    "raw",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"content":{"type":"text","text":"\\ud800"},"score":1e400}}',
        b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},'
        b'"argument":{"name":"a","value":"\\ud83d"},"context":{"arguments":{"b":"\\ud83d"}}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p","arguments":{"a":"\\ud800"}}}',
    ],
)
def test_so_do_results_of_clients_and_arguments_of_prompts_and_completions(raw: bytes) -> None:
    (message,) = parse_body(raw).messages
    assert (message.form_error, message.is_strict) == ("", False)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"jsonrpc":"2.0","id":"\\ud800","result":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"\\ud800":1}}',
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"name":"\\ud800"}}}',
    ],
)
def test_names_and_ids_of_responses_are_strict(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_body(raw)


def test_each_message_of_a_batch_may_have_such_arguments() -> None:
    batch = parse_body(b"[" + body('{"a":"\\ud800"}') + b"," + body('{"a":1}', id="2") + b"]")
    assert [message.arguments for message in batch.messages] == [{"a": "\ufffd"}, {"a": 1}]


def test_a_public_request_must_be_strict() -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"arguments":"\\ud800"}}'
    assert not is_public(parse_body(raw), {"initialize"})


JAVASCRIPT_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(JAVASCRIPT_VALUES)
def test_whatever_python_writes_in_arguments_passes_and_can_be_encoded(value: Any) -> None:
    (message,) = parse_body(body(json.dumps({"value": value}))).messages
    assert msgspec.json.encode(message.arguments)
    assert msgspec.msgpack.encode(str(message.arguments))
    assert message.arguments.keys() == {"value"}
