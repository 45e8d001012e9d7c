"""A call in flight: a request whose response is inspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.protocol.message import Message, encode_id

NO_ARGUMENTS: Mapping[str, Any] = {}


class Call(msgspec.Struct, frozen=True):
    """A request in flight whose response has to be inspected: a `tools/call`, or any other that may need redaction."""

    id_json: str
    method: str
    tool: str = ""
    arguments: Mapping[str, Any] = NO_ARGUMENTS
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` names."""


def tool_call(message: Message) -> Call:
    """Return the `Call` of a `tools/call` message."""
    return Call(encode_id(message.id), "tools/call", message.tool or "", message.arguments)
