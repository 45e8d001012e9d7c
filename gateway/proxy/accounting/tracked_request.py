"""A request of a client whose response is inspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.protocol.message import Message, encode_id
from gateway.proxy.tools.known_tools import cursor_digest

NO_ARGUMENTS: Mapping[str, Any] = {}


class TrackedRequest(msgspec.Struct, frozen=True):
    """A request whose response is inspected: a `tools/call`, to count it, or one that may need redaction."""

    id_json: str
    method: str
    tool: str = ""
    arguments: Mapping[str, Any] = NO_ARGUMENTS
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` names."""
    cursor: str | None = None
    """A digest of the cursor of a `tools/list`; empty for the first page, `None` if other parameters may select tools,
    and for other methods."""


def track_call(message: Message) -> TrackedRequest:
    """Return the `TrackedRequest` of a `tools/call` message."""
    return TrackedRequest(encode_id(message.id), "tools/call", message.tool or "", message.arguments)


def track_list(message: Message) -> TrackedRequest:
    """Return the `TrackedRequest` of a `tools/list` message."""
    params = {} if message.params is None else message.params
    digest = None
    if isinstance(params, dict) and params.keys() <= {"cursor", "_meta"}:
        cursor = "" if params.get("cursor") is None else params["cursor"]
        digest = cursor_digest(cursor) if isinstance(cursor, str) else None
    return TrackedRequest(encode_id(message.id), "tools/list", cursor=digest)


def only_id(pending: Mapping[str, TrackedRequest]) -> object:
    """Return the JSON-RPC id of the pending request if there is exactly one, else `None`."""
    return msgspec.json.decode(next(iter(pending))) if len(pending) == 1 else None
