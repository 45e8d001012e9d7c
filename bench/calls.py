"""The calls that are made and the results that come: daily prices, as rows and as the text that mirrors them.

A result is what an MCP server on the Python SDK sends for a tool that returns an object: `structuredContent`, and the
same once more as indented JSON in a text block. So the gateway has to find the table and the records in either.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

TABLE = "stock_daily"
_ID = 123_456_789
_ID_PLACE = "000000000"
"""Nine digits, as many as the load's ids have."""


class Call(NamedTuple):
    """A tool of the bench's upstream."""

    name: str
    size: int
    """About so many bytes has its answer."""
    has_progress: bool = False
    """Whether a progress event comes some time before the result."""
    is_text: bool = False
    """Whether the text is all that there is, without `structuredContent`."""

    @property
    def is_stream(self) -> bool:
        return self.name.endswith("sse")


CALLS = (
    Call("1kb-json", 1_000),
    Call("1kb-sse", 1_000),
    Call("100kb-json", 100_000),
    Call("100kb-sse", 100_000),
    Call("2mb-json", 2_000_000),
    Call("2mb-sse", 2_000_000),
)
PROGRESS = Call("progress-sse", 1_000, has_progress=True)
TEXT = Call("2mb-text", 2_000_000, is_text=True)
ALL = (*CALLS, PROGRESS, TEXT)
MANY = 64
"""Connections under load, where latency is not what is measured."""


def write_results(folder: Path) -> None:
    """Write the files that `upstream.c` answers with."""
    for call in ALL:
        answer = _compact({"jsonrpc": "2.0", "id": _ID, "result": _result(call, records(call))})
        before, after = answer.split(str(_ID))
        if call.is_stream:
            before, after = f"event: message\r\ndata: {before}", f"{after}\r\n\r\n"
        (folder / f"{call.name}.before").write_text(before)
        (folder / f"{call.name}.after").write_text(after)
        if call.has_progress:
            progress = {"progressToken": 1, "progress": 1, "total": 2}
            event = _compact({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
            (folder / f"{call.name}.first").write_text(f"event: message\r\ndata: {event}\r\n\r\n")


def write_request(path: Path, call: Call, key: str) -> None:
    """Write the request that `load.c` sends, with a place for its id. Every proxy gets the same one."""
    arguments = {"symbol": "IBM", "start": "2000-03-01", "limit": records(call)}
    params = {"name": call.name, "arguments": arguments, "_meta": {"progressToken": 1}}
    body = _compact({"jsonrpc": "2.0", "id": _ID, "method": "tools/call", "params": params})
    head = "\r\n".join(
        (
            "POST /mcp HTTP/1.1",
            "Host: 127.0.0.1",
            "User-Agent: bench/1",
            "Accept: application/json, text/event-stream",
            "Content-Type: application/json",
            "Mcp-Protocol-Version: 2025-11-25",
            "Mcp-Session-Id: a-session-of-the-bench",
            f"Authorization: Bearer {key}",
            f"Content-Length: {len(body)}",
        )
    )
    path.write_text(f"{head}\r\n\r\n{body.replace(str(_ID), _ID_PLACE)}")


def answer_size(folder: Path, call: Call) -> int:
    """How many bytes the body of its answer has."""
    parts = [folder / f"{call.name}.{part}" for part in ("first", "before", "after")]
    return sum(part.stat().st_size for part in parts if part.exists()) + len(_ID_PLACE)


def records(call: Call) -> int:
    """How many records its result has: as many as fit."""
    empty, one = (len(_compact(_result(call, count))) for count in (0, 1))
    return max(1, (call.size - empty) // (one - empty))


def result_json(call: Call) -> bytes:
    """The `result` member of its answer, as it is on the wire."""
    return _compact(_result(call, records(call))).encode()


def _result(call: Call, count: int) -> dict[str, Any]:
    rows = [
        {"date": f"2000-03-{index % 28 + 1:02}", "open": 100.0, "high": 103.44, "close": 100.25, "volume": 10_807_800}
        for index in range(count)
    ]
    content = {"table": TABLE, "symbol": "IBM", "record_count": count, "rows": rows}
    text = {"type": "text", "text": json.dumps(content, indent=2)}
    structured = {} if call.is_text else {"structuredContent": content}
    return {"content": [text], **structured, "isError": False}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
