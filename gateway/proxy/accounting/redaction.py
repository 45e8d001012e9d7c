"""What of an answer a key with limits may not see, and what passes in its place. Pure."""

from __future__ import annotations

import msgspec

from gateway.keys.record import KeyRecord
from gateway.protocol.errors import DENIED, error_body
from gateway.proxy.accounting.models import is_restricted
from gateway.proxy.accounting.response_decoder import result_head
from gateway.proxy.admission.policy import is_tool_allowed

_UNCHECKED = "This API key is limited, and this result cannot be matched to a call that it may make"

NOTHING = b""
"""What passes in the place of a message that is dropped."""


def refused(id_: object) -> bytes:
    """What passes in the place of a result that cannot be checked."""
    return error_body(id_, DENIED, _UNCHECKED)


def filtered(key: KeyRecord | None, id_: object, result: msgspec.Raw) -> bytes | None:
    """A list of tools without those that the key may not call; `None` where it may see all."""
    if key is None or key.allowed_tools is None:
        return None
    try:
        value = msgspec.json.decode(result)
    except msgspec.MsgspecError:
        return refused(id_)
    if isinstance(value, dict) and isinstance(value.get("tools"), list):
        value["tools"] = [tool for tool in value["tools"] if is_tool_allowed(key, _name_of(tool))]
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "result": value})


def unmatched(key: KeyRecord | None, id_: object, result: msgspec.Raw) -> bytes | None:
    """For a result of which it is not known what it answers; `None` where it may pass."""
    if key is None or not is_restricted(key):
        return None
    if key.allowed_tables is not None:
        return refused(id_)
    head = result_head(result)
    if head.tools:
        return filtered(key, id_, result)
    return refused(id_) if head.is_of_a_tool else None


def other(key: KeyRecord | None, id_: object, result: msgspec.Raw) -> bytes | None:
    """For what should be the answer to another method than `tools/call`, but may be another's of the same id."""
    return refused(id_) if is_restricted(key) and result_head(result).is_of_a_tool else None


def without_result(params: msgspec.Raw) -> bytes:
    """The news of a task whose result may not be seen."""
    members = msgspec.json.decode(params, type=dict[str, msgspec.Raw])
    members.pop("result", None)
    told = {**members, "status": "failed", "error": {"code": DENIED, "message": _UNCHECKED}}
    return msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/tasks", "params": told})


def _name_of(tool: object) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""
