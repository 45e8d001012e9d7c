"""An exchange: one HTTP request of a client, the JSON-RPC requests in it, and the stream of its response.

`Exchange` matches responses with the requests and produces the usage events.

The rules:

- A usage event is made when a result passes, on whichever stream. A result belongs to a call by its JSON-RPC id, and
  `"1"` is not `1`. Each call produces at most one event.
- A result of type `input_required` does not complete a call, nor does one that only names a task: the result of that
  task completes it. An error object counts as a call with `is_error`.
- A response to a request of another exchange, and a task's result, are correlated through Redis: `inspect` returns the
  lookups to make, and is called again with their results.
- A restricted key gets nothing unchecked: a list of tools is filtered, and a tool result is replaced by an error if it
  comes from a tool or table that the key is not allowed, or if either is unknown.

Imports no I/O library and does no I/O; the callbacks of `AccountingServices` may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.metering import MeteringResult
from gateway.protocol.buffers import Chunk
from gateway.protocol.message import Message, encode_id
from gateway.proxy.accounting import redaction
from gateway.proxy.accounting.correlation_models import (
    Lookup,
    LookupResult,
    RegisteredRequest,
    Scope,
    pending_name,
)
from gateway.proxy.accounting.response_decoder import (
    RESULT_MEMBER,
    ToolResponse,
    decode_messages,
    decode_tool_response,
    replace_messages,
)
from gateway.proxy.accounting.response_inspection import TASK_READS, Inspection, ResponseInspector
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.accounting.tracked_request import TrackedRequest, only_id, track_call, track_list
from gateway.proxy.accounting.usage_events import Outcome, UsageEventBuilder, meter_tool_response
from gateway.proxy.admission.admitted_request import Caller
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.limits.slots import Slot

_WITH_RESULT = TASK_READS | {"tools/call"}
_NO_RESULTS: Mapping[Lookup, LookupResult] = {}
_NOT_METERED = MeteringResult(tables=(), records=None, method=metering.UNKNOWN)


class Exchange:
    """One exchange: its pending requests, and the inspection of their responses."""

    def __init__(
        self,
        messages: Iterable[Message],
        caller: Caller,
        key: KeyRecord | None,
        services: AccountingServices,
        *,
        is_listening: bool = False,
        started: float | None = None,
    ) -> None:
        """Set `is_listening` for a stream that carries responses to requests of other exchanges.

        `started` is the monotonic time at which the exchange began; by default, now.
        """
        started = services.clock.monotonic() if started is None else started
        self._builder = UsageEventBuilder(caller, key, services.clock, services.new_event_id, started)
        self.key = key
        """The record of the key; `None` for a request without one."""
        self._lent: dict[str, tuple[Slot, ...]] = {}
        """Slots that were lent to calls, by JSON-RPC id."""
        self._services = services
        self._is_listening = is_listening
        self._decoded: tuple[Chunk, ToolResponse | None] = (b"", None)
        """Data that was decoded ahead, and the response in it."""
        self.is_abandoned = False
        """True if it is not sent to the upstream."""
        self.is_session_bound = False
        """True if the stream has announced its session (HTTP+SSE transport)."""
        self.pending: dict[str, TrackedRequest] = {}
        """The requests without a response, by JSON-RPC id."""
        self.registered: dict[str, RegisteredRequest] = {}
        """The requests that are registered in the correlation store, by JSON-RPC id."""
        self.unmatched_bytes = 0
        """Bytes that may have answered a pending call, although no id says so."""
        for message in messages:
            if message.kind == "request" and (request := self._track(message)) is not None:
                self.pending[request.id_json] = request
        is_limited_to_tools = key is not None and key.is_limited_to_tools
        self.may_redact = (
            self.is_limited_to_tables
            or (key is not None and key.has_record_limits)
            or (is_limited_to_tools and (is_listening or self._has_other_reads))
        )
        """True if responses may have to be changed, so that none may be sent before it is inspected."""

    @property
    def is_limited_to_tables(self) -> bool:
        """True if the key is limited to certain tables, so that responses must be correlated without any doubt."""
        return self.key is not None and self.key.is_limited_to_tables

    @property
    def needs_inspection(self) -> bool:
        """True if further responses have to be inspected."""
        return bool(self.pending) or self._is_listening or self.is_limited_to_tables

    @property
    def has_pending(self) -> bool:
        """True if a request has no response yet."""
        return bool(self.pending)

    @property
    def has_pending_results(self) -> bool:
        """True if a request whose response may have a result to be counted has none yet."""
        return any(request.method in _WITH_RESULT for request in self.pending.values())

    @property
    def has_unregistered(self) -> bool:
        """True if a request has no response yet and is not registered in the correlation store."""
        return any(id_json not in self.registered for id_json in self.pending)

    @property
    def is_restricted(self) -> bool:
        """True if the key is limited to certain tools or tables."""
        return redaction.is_restricted(self.key)

    @property
    def scope(self) -> Scope | None:
        """The namespace of the request ids; `None` for a request without a key."""
        if self.key is None:
            return None
        session_id = self._builder.caller.session_id
        if session_id:
            return Scope(self.key.owner, "session", session_id)
        return Scope(self.key.owner, "key", self.key.key_id)

    @property
    def has_session(self) -> bool:
        """True if the exchange belongs to a session."""
        return bool(self._builder.caller.session_id)

    def bind_session(self, session_id: str) -> None:
        """Set the session that the stream has announced."""
        self._builder.caller = msgspec.structs.replace(self._builder.caller, session_id=session_id)
        self.is_session_bound = True

    @property
    def is_sql_parsed(self) -> bool:
        """True if `inspect` will not block the event loop; if not, call `parse_sql` in a thread first."""
        return all(metering.is_sql_parsed(each.arguments) for each in self.pending.values() if each.arguments)

    def parse_sql(self) -> None:
        """Parse the SQL in the calls' arguments. May take long: not for an event loop."""
        for call in self.pending.values():
            metering.parse_sql(call.arguments)

    def unregistered_requests(self, *, is_replayable: bool) -> dict[str, RegisteredRequest]:
        """Return the requests that have no response and are not registered, by id, in their stored form.

        Set `is_replayable` if a response may be sent more than once, because its stream can be resumed.
        """
        return {
            id_json: self._builder.to_registered_request(
                request, is_kept=is_replayable, slots=self._lent.get(id_json, ())
            )
            for id_json, request in self.pending.items()
            if id_json not in self.registered
        }

    def lend_slots(self, permit: Permit, lend: Callable[[Sequence[Slot], str], None]) -> None:
        """Let each call hold its slots until it is answered, on whichever stream."""
        calls = [id_json for id_json, request in self.pending.items() if request.method == "tools/call"]
        if not calls or self.scope is None:
            # A notification is never answered.
            return
        slots = permit.pop_slots()
        for number, id_json in enumerate(calls):
            self._lent[id_json] = tuple(slots[number :: len(calls)])
            lend(self._lent[id_json], pending_name(self.scope, id_json))

    @property
    def lent_slots(self) -> tuple[Slot, ...]:
        """The slots that were lent to the calls."""
        return tuple(slot for slots in self._lent.values() for slot in slots)

    def decode_ahead(self, data: Chunk) -> None:
        """Do a part of the work of `inspect` on the same data, to split it over two turns of the event loop."""
        if self._is_single_call:
            self._decoded = data, decode_tool_response(data)

    def inspect(self, data: bytes, results: Mapping[Lookup, LookupResult] = _NO_RESULTS) -> Inspection:
        """Inspect one JSON text of a response, given the results of the lookups that were requested before."""
        if (single := self._inspect_single_result(data)) is not None:
            return single
        messages = decode_messages(data)
        inspection = Inspection(data)
        inspector = ResponseInspector(self.pending, self.registered, self._builder, self._services, results, inspection)
        replacements = {
            index: replacement
            for index, message in enumerate(messages)
            if (replacement := inspector.inspect(message)) is not None
        }
        if inspection.lookups:
            return Inspection(data, lookups=inspection.lookups)
        for id_json in inspection.answered_ids:
            self.pending.pop(id_json, None)
        if replacements:
            inspection.output = replace_messages(data, messages, replacements)
        elif not messages and self.is_limited_to_tables and data.strip():
            inspection.output = redaction.deny_result(only_id(self.pending))
        inspection.is_unreadable = all(message.is_malformed for message in messages)
        if inspection.is_unmatched or (not messages and RESULT_MEMBER in bytes(data)):
            self.unmatched_bytes += len(data)
        return inspection

    def count_uninspected(self, response_bytes: int, *, is_error: bool = False) -> Inspection:
        """Count the pending tool calls with unknown records, because their response cannot be inspected or matched.

        `is_error` tells that the upstream reports a failure.
        """
        inspection = Inspection(b"")
        # A key limited to tables gets an error instead.
        status = "denied" if self.is_limited_to_tables else "rpc_error" if is_error else "ok"
        for call in self.pending.values():
            if call.method == "tools/call":
                self._add_event(inspection, call, Outcome(_NOT_METERED, status, response_bytes))
        self.pending.clear()
        return inspection

    @property
    def _is_single_call(self) -> bool:
        """True if a single unregistered `tools/call` is pending, and its response need not be redacted."""
        if len(self.pending) != 1 or self.registered or self.may_redact:
            return False
        return next(iter(self.pending.values())).method == "tools/call"

    def _inspect_single_result(self, data: bytes) -> Inspection | None:
        """Inspect a single-result response; return `None` if the general inspection is needed."""
        if not self._is_single_call:
            return None
        (call,) = self.pending.values()
        ahead_of, response = self._decoded
        if ahead_of is not data:
            response = decode_tool_response(data)
        outcome = meter_tool_response(call, response, self._services.meter, len(data))
        if outcome is None:
            return None
        inspection = Inspection(data)
        self._add_event(inspection, call, outcome)
        self.pending.clear()
        return inspection

    def _add_event(self, inspection: Inspection, call: TrackedRequest, outcome: Outcome) -> None:
        registered = self.registered.get(call.id_json)
        inspection.events.append(self._builder.build(call, outcome, registered.event_id if registered else ""))

    def _track(self, message: Message) -> TrackedRequest | None:
        """Return the request to track; `None` if its response need not be inspected."""
        method = message.method
        if method == "tools/call":
            return track_call(message)
        if method in TASK_READS:
            return TrackedRequest(encode_id(message.id), method, task_id=message.task_id or "")
        if method == "tools/list":
            return track_list(message)
        if self.is_limited_to_tables:
            return TrackedRequest(encode_id(message.id), method)
        return None

    @property
    def _has_other_reads(self) -> bool:
        """True if the requests list tools, or read a task that another key may have created."""
        return any(request.method != "tools/call" for request in self.pending.values())
