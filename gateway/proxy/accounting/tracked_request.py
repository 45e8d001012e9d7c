"""A request of a client whose response is inspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.protocol.message import Message, encode_id

NO_ARGUMENTS: Mapping[str, Any] = {}


class TrackedRequest(msgspec.Struct, frozen=True):
    """A request whose response is inspected: a `tools/call`, to count it, or one that may need redaction."""

    id_json: str
    method: str
    tool: str = ""
    arguments: Mapping[str, Any] = NO_ARGUMENTS
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` names."""


def track_call(message: Message) -> TrackedRequest:
    """Return the `TrackedRequest` of a `tools/call` message."""
    return TrackedRequest(encode_id(message.id), "tools/call", message.tool or "", message.arguments)
