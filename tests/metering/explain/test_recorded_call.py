"""The file formats of a recorded call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering.explain.recorded_call import RecordedCall, read_call

REQUEST = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "query", "arguments": {"sql": "x"}}}
RESPONSE = {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
CALL = RecordedCall("query", {"sql": "x"}, b'{"content":[]}')


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"tool": "query", "arguments": {"sql": "x"}, "result": {"content": []}, "note": "seen"}, indent=2),
        "\ufeff" + json.dumps(REQUEST) + "\n" + json.dumps(RESPONSE) + "\n",
        json.dumps([RESPONSE, REQUEST]),
        json.dumps({"request": REQUEST, "response": RESPONSE}),
    ],
)
def test_a_call_is_read_from_each_format(text: str) -> None:
    assert read_call(text) == CALL


def test_the_input_schema_may_be_recorded_with_the_call() -> None:
    schema = {"properties": {"entity": {"description": "Table name"}}}
    call = read_call(json.dumps({"tool": "x", "inputSchema": schema, "result": {}}))
    assert call.hints.table_arguments == {"entity"}


def test_the_output_schema_may_be_recorded_with_the_call() -> None:
    schema = {"properties": {"found": {"type": "array", "items": {"type": "object"}}}}
    call = read_call(json.dumps({"tool": "x", "outputSchema": schema, "result": {}}))
    assert call.hints.record_paths == (("found",),)


def test_a_call_without_arguments_has_empty_ones() -> None:
    assert read_call('{"tool": "x", "result": {}}') == RecordedCall("x", {}, b"{}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "holds no call"),
        ("5", "holds no call"),
        ("{", "is not JSON: .* in line 1, column 2"),
        ("[" * 100_000, "nested too deeply"),
        ({"arguments": {}, "result": {}}, "has 0 tools/call requests instead of one"),
        ({"tool": 5, "result": {}}, "has no tool name"),
        ({"tool": "x", "arguments": [], "result": {}}, "arguments that are not an object"),
        ({"tool": "x"}, "has no result"),
        ([REQUEST, REQUEST, RESPONSE], "has 2 tools/call requests"),
        ([REQUEST, {**RESPONSE, "id": "7"}], "no response with the request's id"),
        ([REQUEST, {"id": 7, "error": {"code": 1, "message": "no"}}], "has a JSON-RPC error instead of a result"),
    ],
)
def test_an_error_names_what_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_call(value if isinstance(value, str) else json.dumps(value))
