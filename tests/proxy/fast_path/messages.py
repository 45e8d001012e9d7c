"""JSON-RPC messages and other bodies of requests, by name."""

from __future__ import annotations

import json
from typing import Any

from tests.support.gateway import INITIALIZE, call


def named(method: str, /, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


FAST_PATH_REQUESTS: dict[str, Any] = {
    "a call": call(),
    "a string id": call(id_="a\"b'é"),
    "a null id": call(id_=None),
    "a large id": call(id_=2**53 - 1),
    "arguments": call("query", table="prices", limit=3, text="\u20ac", nested=[{"a": [1]}]),
    "no params": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get"}},
    "meta": named(
        "tools/call",
        name="get",
        arguments={},
        _meta={"progressToken": 1, "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "2"}},
    ),
    "a task": named("tools/call", name="get", arguments={}, task={"ttl": 1}),
    "spaces": b' { "method":"tools/call","id":1, "jsonrpc":"2.0","params" : {"name":"get","arguments":{"a":1.0}}}\n',
    "an additional member": {**call(), "other": 1},
}
GENERAL_PATH_REQUESTS: dict[str, Any] = {
    "initialize": INITIALIZE,
    "ping": {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    "tools/list": named("tools/list"),
    "tasks/get": named("tasks/get", taskId="t-1"),
    "tasks/result": named("tasks/result", taskId="t-1"),
    "tasks/cancel": named("tasks/cancel", taskId="t-1"),
    "a notification": {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
    "a call that is a notification": {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "get"}},
    "a response": {"jsonrpc": "2.0", "id": 1, "result": {}},
    "a batch": [call(id_=1), call(id_=2)],
    "a batch of one": [call()],
    "an empty batch": [],
    "the same id twice": [call(), call()],
    "not json": b"{",
    "nothing": b"",
    "text": b'"tools/call"',
    "a member twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"get"}}',
    "a name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","name":"drop"}}',
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(call()).encode(),
    "utf-16": json.dumps(call()).encode("utf-16"),
    "nested": b"[" * 5000 + b"]" * 5000,
    "too large": call(text="x" * 10_000),
    "a method in another case": named("Tools/Call", name="get"),
    "a member in another case": {**call(), "Method": "ping"},
    "a name in another case": named("tools/call", name="get", Name="drop"),
    "array params": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["get"]},
    "a fractional id": call(id_=1.5),
    "a boolean id": call(id_=True),
    "an id beyond 53 bits": call(id_=2**53),
    "another version": {**call(), "jsonrpc": "1.0"},
}
