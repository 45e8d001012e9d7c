"""Reads a recorded tool call from a file: one JSON object, or the JSON-RPC request and response."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering.tool_declarations import ToolHints, parse_hints

FILE_FORMAT = (
    '{"tool": "…", "arguments": {…}, "result": {…}}, or the JSON-RPC request and response, one after the other'
)


class RecordedCall(msgspec.Struct, frozen=True):
    """A call and its result."""

    tool: str
    arguments: dict[str, Any]
    result_json: bytes
    hints: ToolHints = ToolHints()
    """From the schemas of the tool, if they were recorded with the call."""
    declaration: dict[str, Any] = {}
    """The recorded `inputSchema` and `outputSchema` of the tool."""


def read_call(text: str) -> RecordedCall:
    """Read the call in `text`. Raises `ValueError` with a message that completes "the file …"."""
    values = _json_values(text)
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    if not values or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"holds no call: expected {FILE_FORMAT}")
    hints, declaration = ToolHints(), {}
    if len(values) == 1 and "tool" in values[0]:
        declaration = {name: values[0][name] for name in ("inputSchema", "outputSchema") if values[0].get(name)}
        schemas = {"input": values[0].get("inputSchema"), "output": values[0].get("outputSchema")}
        hints = parse_hints(msgspec.json.encode(schemas))
        tool, arguments, result = values[0]["tool"], values[0].get("arguments"), values[0].get("result")
    else:
        tool, arguments, result = _from_messages(values)
    if not isinstance(tool, str) or not tool:
        raise ValueError("has no tool name: set tool to a string")
    if not isinstance(arguments if arguments is not None else {}, dict):
        raise ValueError("has arguments that are not an object")
    if not isinstance(result, dict):
        raise ValueError("has no result: expected an object with content or structuredContent")
    return RecordedCall(tool, arguments or {}, msgspec.json.encode(result), hints, declaration)


def _json_values(text: str) -> list[Any]:
    """Return the JSON values in `text`, which may follow each other."""
    import json

    decoder, values, at = json.JSONDecoder(), [], 0
    text = text.removeprefix("\ufeff").strip()
    try:
        while at < len(text):
            value, end = decoder.raw_decode(text, at)
            values.append(value)
            at = end + len(text[end:]) - len(text[end:].lstrip())
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return values


def _from_messages(values: list[Any]) -> tuple[Any, Any, Any]:
    """Return tool, arguments and result of a request and its response, in any order or as members of one object."""
    candidates = [one for value in values for one in (value, value.get("request"), value.get("response"))]
    messages = [one for one in candidates if isinstance(one, dict)]
    requests = [one for one in messages if one.get("method") == "tools/call" and isinstance(one.get("params"), dict)]
    if len(requests) != 1:
        raise ValueError(f"has {len(requests)} tools/call requests instead of one: expected {FILE_FORMAT}")
    request = requests[0]
    responses = [one for one in messages if "result" in one or "error" in one]
    response = next((one for one in responses if one.get("id") == request.get("id")), None)
    if response is None:
        raise ValueError("has no response with the request's id")
    if "error" in response:
        raise ValueError("has a JSON-RPC error instead of a result: such a call has 0 records and no tables")
    return request["params"].get("name"), request["params"].get("arguments"), response["result"]
