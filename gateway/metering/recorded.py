"""Calls that somebody has written down: a JSON object, perhaps with the tool's `inputSchema`, or the JSON-RPC messages
that passed."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering.tools import ToolHints, read_hints

FORM = '{"tool": "…", "arguments": {…}, "result": {…}}, or the JSON-RPC request and response, one after the other'


class RecordedCall(msgspec.Struct, frozen=True):
    """A call and its result."""

    tool: str
    arguments: dict[str, Any]
    result_json: bytes
    hints: ToolHints = ToolHints()


def read_call(text: str) -> RecordedCall:
    """The call in `text`. Raises `ValueError` with a message that says what is missing."""
    values = _values(text)
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    if not values or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"is no call: it takes {FORM}")
    hints = ToolHints()
    if len(values) == 1 and "tool" in values[0]:
        hints = read_hints(msgspec.json.encode({"input": values[0].get("inputSchema")}))
        tool, arguments, result = values[0]["tool"], values[0].get("arguments"), values[0].get("result")
    else:
        tool, arguments, result = _exchanged(values)
    if not isinstance(tool, str) or not tool:
        raise ValueError("names no tool")
    if not isinstance(arguments if arguments is not None else {}, dict):
        raise ValueError("has arguments that are no object")
    if not isinstance(result, dict):
        raise ValueError("has no result: an object with content or structuredContent")
    return RecordedCall(tool, arguments or {}, msgspec.json.encode(result), hints)


def _values(text: str) -> list[Any]:
    """The JSON values in `text`, one after the other."""
    import json

    decoder, values, at = json.JSONDecoder(), [], 0
    text = text.removeprefix("\ufeff").strip()
    try:
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            values.append(value)
            at = end + len(text[end:]) - len(text[end:].lstrip())
    except json.JSONDecodeError as fault:
        raise ValueError(f"is not JSON: {fault.msg} in line {fault.lineno}, column {fault.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return values


def _exchanged(values: list[Any]) -> tuple[Any, Any, Any]:
    """Tool, arguments and result of a request and the response to it, in any order or as members of one object."""
    messages = [one for value in values for one in (value, value.get("request"), value.get("response"))]
    found = [one for one in messages if isinstance(one, dict)]
    requests = [one for one in found if one.get("method") == "tools/call" and isinstance(one.get("params"), dict)]
    if len(requests) != 1:
        raise ValueError(f"has {len(requests)} tools/call requests, not one: it takes {FORM}")
    request = requests[0]
    responses = [one for one in found if "result" in one or "error" in one]
    response = next((one for one in responses if one.get("id") == request.get("id")), None)
    if response is None:
        raise ValueError("has no response with the request's id")
    if "error" in response:
        raise ValueError("has an error in place of a result: such a call has 0 records and no tables")
    return request["params"].get("name"), request["params"].get("arguments"), response["result"]
