"""Inspects one JSON text of a response: finds the calls that it answers, and decides what the client may be sent.

Everything found is collected in an `Inspection`; the requests themselves are not changed. Imports no I/O library and
does no I/O; the callbacks of `AccountingServices` may.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway import metering
from gateway.metering import MeteringResult
from gateway.protocol.errors import DENIED, INVALID_PARAMS, error_body
from gateway.protocol.message import encode_id
from gateway.proxy.accounting import redaction
from gateway.proxy.accounting.correlation_models import UNKNOWN, KnownRequest, Lookup, LookupResult, RegisteredRequest
from gateway.proxy.accounting.created_tasks import MAX_TASK_ID, CreatedTask, task_in
from gateway.proxy.accounting.response_decoder import (
    ABSENT,
    ResultMembers,
    RpcMessage,
    decode_result,
    decode_value,
    error_code,
)
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.accounting.tracked_request import TrackedRequest, only_id
from gateway.proxy.accounting.usage_events import Outcome, UsageEventBuilder
from gateway.proxy.admission.policy import check_tool
from gateway.proxy.admission.rejections import Deny
from gateway.usage.event import UsageEvent

TASK_READS = frozenset({"tasks/get", "tasks/result"})
"""Methods whose response holds the result of a task (2025-11-25, and the tasks extension of 2026-07-28)."""

_TASK_NOTIFICATION = "notifications/tasks"
_NO_RECORDS = MeteringResult(tables=(), records=0, method=metering.ERROR)


class Inspection(msgspec.Struct):
    """The findings about one JSON text of a response.

    If there are `lookups`, nothing else is valid yet: inspect again with their results. Otherwise, in this order:
    register the `created_tasks`, record the `events`, send the `output`, confirm the `taken` lookups.
    """

    output: bytes
    """The JSON text to send instead; the same object if unchanged."""
    events: list[UsageEvent] = []
    lookups: list[Lookup] = []
    taken: list[Lookup] = []
    created_tasks: list[CreatedTask] = []
    answered_ids: list[str] = []
    """Ids of the exchange's own requests that are answered."""
    is_unmatched: bool = False
    """True if this may answer a call, although no id says so: it counts if nothing else answers the call."""
    is_unreadable: bool = False
    """True if this holds no JSON-RPC message."""
    limit_exceeded: Deny | None = None
    """The reason why a result was replaced by an error: its key has used up its records."""


class ResponseInspector:
    """Inspects the messages of one JSON text, one after the other."""

    __slots__ = (
        *("_builder", "_has_tables", "_inspection", "_key", "_pending", "_registered", "_results", "_services"),
        "_size",
    )

    def __init__(
        self,
        pending: Mapping[str, TrackedRequest],
        registered: Mapping[str, RegisteredRequest],
        builder: UsageEventBuilder,
        services: AccountingServices,
        results: Mapping[Lookup, LookupResult],
        inspection: Inspection,
    ) -> None:
        self._pending = pending
        self._registered = registered
        self._builder = builder
        self._services = services
        self._key = builder.key
        self._has_tables = builder.key is not None and builder.key.is_limited_to_tables
        self._results = results
        self._inspection = inspection
        self._size = len(inspection.output)

    def inspect(self, message: RpcMessage) -> bytes | None:
        """Inspect a message; return its replacement, or `None` if it may pass unchanged."""
        if message.is_malformed and self._has_tables:
            self._inspection.is_unmatched = True
            return redaction.deny_result(decode_value(message.id) if message.id else only_id(self._pending))
        if message.method and decode_value(message.method) == _TASK_NOTIFICATION:
            return self._inspect_task_notification(message)
        if not message.id:
            self._inspection.is_unmatched |= self._may_answer_call(message.result)
        if not message.id or not (message.result or message.error):
            return None
        try:
            id_ = msgspec.json.decode(message.id)
        except msgspec.MsgspecError:
            return redaction.deny_result(None) if self._has_tables else None
        # Some servers write `1.0` for `1`.
        id_json = encode_id(int(id_) if isinstance(id_, float) and id_.is_integer() else id_)
        if id_json in self._inspection.answered_ids:
            return redaction.deny_result(id_) if self._has_tables else None
        request = self._pending.get(id_json)
        if request is None:
            return self._correlate_response(id_json, id_, message)
        is_uncounted = True
        if id_json in self._registered:
            found = self._look_up(Lookup("request", id_json, is_own=True))
            if found is None:
                return None
            # `unknown` here means that Redis has lost the registration: no other stream can have counted the call.
            is_uncounted = found.state != "counted"
        self._inspection.answered_ids.append(id_json)
        self._observe_list(request, message)
        return self._inspect_response(request, is_uncounted, id_, message)

    def _correlate_response(self, id_json: str, id_: object, message: RpcMessage) -> bytes | None:
        """Inspect a response to no request of this exchange: correlate it through the store."""
        if id_ is None and not message.result:
            # An error that belongs to no request.
            return None
        found = self._look_up(Lookup("request", id_json)) if self._key is not None else UNKNOWN
        if found is None:
            return None
        request, is_uncounted = found.request, found.state == "taken"
        if message.result and (request is None or (self._has_tables and not found.is_certain)):
            if is_uncounted and request is not None and request.method == "tools/call":
                self._add_event(request, _NO_RECORDS, "denied")
            elif request is None and self._may_answer_call(message.result):
                self._inspection.is_unmatched = True
                if not self._has_tables:
                    return None
            return redaction.redact_unmatched(self._key, id_, message.result, self._services.tools.read_only_hint)
        if request is None:
            return None
        if found.is_certain:
            self._observe_list(request, message)
        return self._inspect_response(request, is_uncounted, id_, message)

    def _may_answer_call(self, result: msgspec.Raw) -> bool:
        """Return True if this is a tool result and a call of this exchange is not answered yet."""
        calls = (each.id_json for each in self._pending.values() if each.method == "tools/call")
        if all(id_json in self._inspection.answered_ids for id_json in calls):
            return False
        return bool(result) and decode_result(result).is_tool_result

    def _observe_list(self, request: KnownRequest, message: RpcMessage) -> None:
        """Have the catalog learn the tools of a `tools/list` result."""
        if request.method == "tools/list" and message.result:
            at = request.started_ms if isinstance(request, RegisteredRequest) else self._builder.started_ms()
            self._services.tools.observe_tools(bytes(message.result), cursor=request.cursor, requested_at=at)

    def _inspect_response(
        self, request: KnownRequest, is_uncounted: bool, id_: object, message: RpcMessage
    ) -> bytes | None:
        """Inspect the response to a known request; an event is added only if `is_uncounted`."""
        if request.method == "tools/call":
            return self._inspect_call_response(request, is_uncounted, id_, message.result, message.error)
        if request.method in TASK_READS:
            return self._inspect_task_read(request, id_, message)
        if not message.result:
            return None
        if isinstance(request, RegisteredRequest) and (
            redacted := redaction.redact_disguised(self._key, id_, message.result)
        ):
            return redacted
        if request.method == "tools/list":
            return redaction.filter_tools(self._key, id_, message.result, self._services.tools.read_only_hint)
        return None

    def _inspect_call_response(
        self,
        call: KnownRequest,
        is_uncounted: bool,
        id_: object,
        result: msgspec.Raw,
        error: msgspec.Raw,
    ) -> bytes | None:
        """Inspect the response to a `tools/call`."""
        if not result:
            if is_uncounted and error:
                self._add_event(call, _NO_RECORDS, "rpc_error")
            return None
        members = decode_result(result)
        if not (self._has_tables and members.is_tool_result):
            if members.result_type == "input_required":
                return None
            if (task := task_in(members)) is not None:
                task_id, seconds = task
                if is_uncounted and task_id:
                    self._inspection.created_tasks.append(CreatedTask(task_id, seconds, self._to_task_creator(call)))
                return None
        return self._inspect_tool_result(call, is_uncounted, id_, result, members)

    def _inspect_tool_result(
        self,
        call: KnownRequest,
        is_uncounted: bool,
        id_: object,
        result: msgspec.Raw,
        members: ResultMembers,
    ) -> bytes | None:
        """Meter the result of a completed call, and check it against the key's tools and tables."""
        if (
            isinstance(call, RegisteredRequest)
            and self._key is not None
            and (forbidden := check_tool(self._key, call.tool, self._services.tools.read_only_hint))
        ):
            if is_uncounted:
                self._add_event(call, _NO_RECORDS, "denied")
            return error_body(id_, DENIED, forbidden.message)
        metered = self._services.meter(call.tool, call.arguments, bytes(result))
        if (
            not metered.tables
            and isinstance(call, RegisteredRequest)
            and call.tables
            and metered.method != metering.ERROR
        ):
            read = tuple(table for table in call.tables if table not in call.written)
            metered = msgspec.structs.replace(metered, tables=read, written=call.written)
        deny = redaction.check_result(self._key, self._services.meter, call, result, metered)
        if deny is None and is_uncounted and (cost := self._builder.record_cost(call, metered.records)) is not None:
            found = self._look_up(Lookup("records", call.id_json, cost=cost))
            if found is None:
                return None
            deny = self._inspection.limit_exceeded = found.deny
        if is_uncounted:
            self._add_event(call, metered, "denied" if deny else "tool_error" if members.is_error else "ok")
        return error_body(id_, DENIED, deny.message) if deny else None

    def _inspect_task_read(self, read: KnownRequest, id_: object, message: RpcMessage) -> bytes | None:
        """Inspect the response to a `tasks/get` or `tasks/result`."""
        result, error = message.result, message.error
        if read.method == "tasks/get":
            # Since the tasks extension, the result is a member of the task; an error concerns the `tasks/get` only.
            members = decode_result(result) if result else ResultMembers()
            if redacted := redaction.redact_disguised(self._key, id_, result):
                return redacted
            result, error = members.result, members.error if members.status == "failed" else ABSENT
        elif error and error_code(error) == INVALID_PARAMS:
            # There is no such task.
            return None
        return self._inspect_task_result(read.task_id, id_, result, error)

    def _inspect_task_notification(self, message: RpcMessage) -> bytes | None:
        """Inspect a task notification, which may hold a result (the tasks extension); drop those of other owners."""
        members = decode_result(message.params) if message.params else ResultMembers()
        found = self._look_up(Lookup("owner", members.task_id))
        if found is None:
            return None
        if found.state == "foreign":
            return redaction.DROP
        error = members.error if members.status == "failed" else ABSENT
        if self._inspect_task_result(members.task_id, None, members.result, error) is None:
            return None
        return redaction.redact_notification(message.params)

    def _inspect_task_result(self, task_id: str, id_: object, result: msgspec.Raw, error: msgspec.Raw) -> bytes | None:
        """Inspect the result or error of a task as the response to the call that created it."""
        if not (result or error) or self._key is None:
            return None
        if result and decode_result(result).result_type == "input_required":
            return None
        found = self._look_up(Lookup("task", task_id)) if len(task_id) <= MAX_TASK_ID else UNKNOWN
        if found is None:
            return None
        if found.request is None:
            hint = self._services.tools.read_only_hint
            return redaction.redact_unmatched(self._key, id_, result, hint) if result else None
        return self._inspect_call_response(found.request, found.state == "taken", id_, result, error)

    def _look_up(self, lookup: Lookup) -> LookupResult | None:
        """Return the result of a lookup; `None` if it has to be requested first."""
        found = self._results.get(lookup)
        if found is None:
            self._inspection.lookups.append(lookup)
        elif found.state == "taken":
            self._inspection.taken.append(lookup)
        return found

    def _to_task_creator(self, call: KnownRequest) -> RegisteredRequest:
        request = call if isinstance(call, RegisteredRequest) else self._registered.get(call.id_json)
        if request is not None:
            return msgspec.structs.replace(request, is_kept=True)
        assert isinstance(call, TrackedRequest)
        return self._builder.to_registered_request(call, is_kept=True)

    def _add_event(self, call: KnownRequest, metered: MeteringResult, status: str) -> None:
        registered = self._registered.get(call.id_json)
        event_id = registered.event_id if registered is not None else ""
        self._inspection.events.append(self._builder.build(call, Outcome(metered, status, self._size), event_id))
