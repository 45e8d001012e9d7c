"""The benchmark's calls and their results: daily prices.

A result has the form that an MCP server on the Python SDK sends for a tool that returns an object: `structuredContent`,
and the same data as indented JSON in a text block.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

TABLE = "stock_daily"
_ID = 123_456_789
_ID_PLACEHOLDER = "000000000"
"""Nine digits, as many as the ids that `load.c` sends."""


class Call(NamedTuple):
    """A call of one of the benchmark upstream's tools."""

    name: str
    size: int
    """Approximate bytes of the response."""
    has_progress: bool = False
    """True if a progress event is sent some time before the result."""
    is_text: bool = False
    """True if the result has only text content, without `structuredContent`."""

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
USUAL_CALLS = CALLS[:2]
PROGRESS = Call("progress-sse", 1_000, has_progress=True)
TEXT = Call("2mb-text", 2_000_000, is_text=True)
ALL = (*CALLS, PROGRESS, TEXT)
LOAD_CONNECTIONS = 64
"""Number of connections of the runs that measure CPU time and throughput."""


def write_results(folder: Path) -> None:
    """Write the files from which `upstream.c` responds."""
    for call in ALL:
        response = _compact({"jsonrpc": "2.0", "id": _ID, "result": _result(call, records(call))})
        before, after = response.split(str(_ID))
        if call.is_stream:
            before, after = f"event: message\r\ndata: {before}", f"{after}\r\n\r\n"
        (folder / f"{call.name}.before").write_text(before)
        (folder / f"{call.name}.after").write_text(after)
        if call.has_progress:
            progress = {"progressToken": 1, "progress": 1, "total": 2}
            event = _compact({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
            (folder / f"{call.name}.first").write_text(f"event: message\r\ndata: {event}\r\n\r\n")


def write_request(path: Path, call: Call, key: str) -> None:
    """Write the request that `load.c` sends, with a placeholder for its id. It is the same for every proxy."""
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
    path.write_text(f"{head}\r\n\r\n{body.replace(str(_ID), _ID_PLACEHOLDER)}")


def response_size(folder: Path, call: Call) -> int:
    """Return the bytes of the response's body."""
    parts = [folder / f"{call.name}.{part}" for part in ("first", "before", "after")]
    return sum(part.stat().st_size for part in parts if part.exists()) + len(_ID_PLACEHOLDER)


def records(call: Call) -> int:
    """Return the number of records in the result: as many as fit into its size."""
    empty, one = (len(_compact(_result(call, count))) for count in (0, 1))
    return max(1, (call.size - empty) // (one - empty))


def result_json(call: Call) -> bytes:
    """Return the `result` member of the response, as sent."""
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
