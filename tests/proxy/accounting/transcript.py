"""Plays a transcript of one exchange through `Exchange`, without a loop or a socket.

A transcript shows what the gateway receives (`>>`) and sends (`<<`), and the usage events that it records (`++`):

    client   >> call 1 get_prices
    upstream >> result 1 prices 3
    client   << unchanged
    usage    ++ 1 ok prices 3

`call ID TOOL`, `list ID`, `result ID TABLE ROWS` and `error ID CODE` stand for messages; any other text is sent as it
is. A lookup that the gateway makes in the correlation store reads `store    << request ID`.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

from gateway.keys.record import KeyRecord
from gateway.protocol.message_parser import parse_body
from gateway.proxy.accounting.call_meter import CallMeter
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.clock import Clock
from gateway.usage.event import UsageEvent
from tests.proxy.callers import CALLER


def key(**limits: Any) -> KeyRecord:
    """A key with some limits."""
    return KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-", owner="ann", created_at=0, **limits)


def pending(*messages: Any, **limits: Any) -> Exchange:
    """The calls of one client request, on a clock that advances by 250 ms each time it is read."""
    times = iter([100.0, 100.25, 100.5, 101.0])
    clock = Clock(now_ms=lambda: 5, monotonic=lambda: next(times))
    services = AccountingServices(clock, lambda now: f"id-{now}", CallMeter(None, lambda: None), DeclaredTools())
    return Exchange(parse_body(json.dumps(list(messages)).encode()).messages, CALLER, key(**limits), services)


class DeclaredTools:
    """An upstream's tools: `get` and those that begin with `get_` are read-only, `drop` is not."""

    def __init__(self) -> None:
        self.observed: list[tuple[bytes, str | None, int]] = []

    def observe_tools(self, result: bytes, *, cursor: str | None, requested_at: int) -> None:
        self.observed.append((result, cursor, requested_at))

    def read_only_hint(self, tool: str) -> bool | None:
        return True if tool == "get" or tool.startswith("get_") else False if tool == "drop" else None


def call(id_: Any = 1, tool: str = "get", **arguments: Any) -> dict[str, Any]:
    """A `tools/call` message."""
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def result(id_: Any = 1, table: str = "t", rows: int = 3, **members: Any) -> bytes:
    """The response to a call that read some rows of a table."""
    structured = {"table": table, "rows": [{}] * rows}
    return json.dumps(
        {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": structured, **members}}
    ).encode()


def play(transcript: str, **limits: Any) -> tuple[Exchange, bytes]:
    """Check a transcript for a key with these limits; return the calls, and everything sent to the client."""
    expected = textwrap.dedent(transcript).strip().split("\n")
    lines = [(line[:8].strip(), line[9:11], line[12:]) for line in expected]
    calls = pending(
        *(_message(text) for peer, direction, text in lines if (peer, direction) == ("client", ">>")), **limits
    )
    actual = [line for line in expected if line.startswith("client   >>")]
    sent = []
    for peer, direction, text in lines:
        if (peer, direction) == ("upstream", ">>"):
            data = _encode(text)
            inspection = calls.inspect(data)
            actual += [f"upstream >> {text}", *_effects(data, inspection)]
            sent.append(inspection.output)
    assert actual == expected
    return calls, b"".join(sent)


def _message(text: str) -> Any:
    word, *values = text.split()
    if word == "call":
        return call(json.loads(values[0]), *values[1:])
    if word == "list":
        return {"jsonrpc": "2.0", "id": json.loads(values[0]), "method": "tools/list"}
    return json.loads(text)


def _encode(text: str) -> bytes:
    word, *values = text.split()
    if word == "result":
        id_, table, rows = values
        return result(json.loads(id_), table, int(rows))
    if word == "error":
        id_, code = map(json.loads, values)
        return json.dumps({"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": "no"}}).encode()
    return text.encode()


def _effects(data: bytes, inspection: Inspection) -> list[str]:
    """The lines of a transcript that an inspection stands for."""
    if inspection.lookups:
        return [f"store    << {lookup.kind} {lookup.id}" for lookup in inspection.lookups]
    return [f"client   << {_abbreviate(data, inspection.output)}", *map(_usage, inspection.events)]


def _abbreviate(data: bytes, output: bytes) -> str:
    if output is data:
        return "unchanged"
    message = json.loads(output)
    if isinstance(message, dict) and "error" in message:
        return f"error {json.dumps(message['id'])} {message['error']['code']}"
    return output.decode()


def _usage(event: UsageEvent) -> str:
    records = "unknown" if event.record_count is None else event.record_count
    return f"usage    ++ {event.request_id} {event.status} {','.join(event.table_names) or '-'} {records}"
