"""Redaction of responses for restricted keys: keys limited to certain tools or tables.

Each function returns the JSON to send instead of a message, or `None` if the message may pass unchanged. Imports no I/O
library and does no I/O.
"""

from __future__ import annotations

import msgspec

from gateway.keys.record import KeyRecord
from gateway.metering import MeteringResult
from gateway.protocol.errors import DENIED, error_body
from gateway.proxy.accounting.correlation_models import KnownRequest, RegisteredRequest
from gateway.proxy.accounting.response_decoder import decode_result, without_error_flag
from gateway.proxy.accounting.services import Meter
from gateway.proxy.admission.policy import ReadOnlyHint, check_tables, check_tool
from gateway.proxy.admission.rejections import Deny

_UNCHECKED = "This API key is limited, and this result cannot be matched to a call that it may make"

DROP = b""
"""Sent instead of a message that is dropped."""


def is_restricted(key: KeyRecord | None) -> bool:
    """Return True if responses to this key have to be checked."""
    return key is not None and (key.is_limited_to_tools or key.is_limited_to_tables)


def deny_result(id_: object) -> bytes:
    """Return the error sent instead of a result that cannot be checked."""
    return error_body(id_, DENIED, _UNCHECKED)


def filter_tools(key: KeyRecord | None, id_: object, result: msgspec.Raw, read_only_hint: ReadOnlyHint) -> bytes | None:
    """Remove the tools that the key may not call from a `tools/list` result."""
    if key is None or not key.is_limited_to_tools:
        return None
    try:
        value = msgspec.json.decode(result)
    except msgspec.MsgspecError:
        return deny_result(id_)
    if isinstance(value, dict) and isinstance(value.get("tools"), list):
        value["tools"] = [tool for tool in value["tools"] if check_tool(key, _name_of(tool), read_only_hint) is None]
    return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "result": value})


def redact_unmatched(
    key: KeyRecord | None, id_: object, result: msgspec.Raw, read_only_hint: ReadOnlyHint
) -> bytes | None:
    """Redact a result whose request is unknown."""
    if key is None or not is_restricted(key):
        return None
    if key.is_limited_to_tables:
        return deny_result(id_)
    members = decode_result(result)
    if members.is_tool_result:
        return deny_result(id_)
    return filter_tools(key, id_, result, read_only_hint) if members.tools else None


def check_result(
    key: KeyRecord | None, meter: Meter, call: KnownRequest, result: msgspec.Raw, metered: MeteringResult
) -> Deny | None:
    """Return a `Deny` if the key may not see a tool result."""
    if key is None or not key.is_limited_to_tables:
        return None
    if not decode_result(result).is_error:
        # Without a table it is unknown what was read, even if the records could be counted.
        return check_tables(key, metered.tables or _reachable_tables(call, meter))
    # An error should have read nothing, but may still carry records of a table.
    as_success = meter(call.tool, call.arguments, without_error_flag(result))
    return check_tables(key, as_success.tables)


def _reachable_tables(call: KnownRequest, meter: Meter) -> tuple[str, ...] | None:
    """Return the tables of a call whose result need not name any: a write, or SQL that reads no table."""
    if isinstance(call, RegisteredRequest) and call.written:
        return call.tables
    return meter.reachable_tables(call.tool, call.arguments)


def redact_disguised(key: KeyRecord | None, id_: object, result: msgspec.Raw) -> bytes | None:
    """Redact a tool result that arrives as the response to another method, under a reused id."""
    return deny_result(id_) if is_restricted(key) and decode_result(result).is_tool_result else None


def redact_notification(params: msgspec.Raw) -> bytes:
    """Return a task notification that reports a failure instead of its result."""
    members = msgspec.json.decode(params, type=dict[str, msgspec.Raw])
    members.pop("result", None)
    redacted = {**members, "status": "failed", "error": {"code": DENIED, "message": _UNCHECKED}}
    return msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/tasks", "params": redacted})


def _name_of(tool: object) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""
