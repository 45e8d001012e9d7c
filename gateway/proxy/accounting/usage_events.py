"""Builds the usage events of answered calls, and the stored form of calls that are answered on another stream."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.keys.secret import without_keys
from gateway.metering import MeteringResult
from gateway.proxy.accounting.correlation_models import MAX_ARGUMENTS, KnownRequest, RecordCost, RegisteredRequest
from gateway.proxy.accounting.redaction import is_restricted
from gateway.proxy.accounting.response_decoder import ToolResponse
from gateway.proxy.accounting.services import Meter, NewEventId
from gateway.proxy.accounting.tracked_request import TrackedRequest
from gateway.proxy.admission.admitted_request import Caller, stored_text
from gateway.proxy.clock import Clock
from gateway.usage.event import UsageEvent


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of an answered call."""

    metered: MeteringResult
    status: str
    """As in `UsageEvent.status`."""
    response_bytes: int


class EventIdentity(msgspec.Struct, frozen=True):
    """The parts of a usage event that are known before the response is."""

    event_id: str
    arguments_hash: str


class UsageEventBuilder:
    """Builds the usage events of one client request."""

    __slots__ = ("_clock", "_new_event_id", "_started", "caller", "key")

    def __init__(
        self, caller: Caller, key: KeyRecord | None, clock: Clock, new_event_id: NewEventId, started: float
    ) -> None:
        self.caller = caller
        self.key = key
        self._clock = clock
        self._new_event_id = new_event_id
        self._started = started

    def build(self, call: KnownRequest, outcome: Outcome, event_id: str = "") -> UsageEvent:
        """Build the usage event of a call of this client request, or of a call looked up in the correlation store.

        `event_id` is the id with which a call of this client request was registered; empty if it was not.
        """
        now_ms = self._clock.now_ms()
        if isinstance(call, RegisteredRequest):
            caller = msgspec.structs.replace(call.caller, session_id=self.caller.session_id)
            identity = EventIdentity(call.event_id, call.arguments_hash)
            duration_ms = float(max(0, now_ms - call.started_ms))
        else:
            caller = self.caller
            identity = EventIdentity(event_id or self._new_event_id(now_ms), arguments_hash(call.arguments))
            duration_ms = round((self._clock.monotonic() - self._started) * 1000, 3)
        return build_usage_event(call, caller, identity, outcome, created_at=now_ms, duration_ms=duration_ms)

    def record_cost(self, call: KnownRequest, records: int | None) -> RecordCost | None:
        """Return what a result consumes of the limits of the call's key; `None` if that has no limits of records.

        A registered call may be that of another key, whose limits are not known here.
        """
        if isinstance(call, RegisteredRequest):
            return RecordCost(call.caller.key_id, records or 0) if call.caller.key_id else None
        if self.key is None or not self.key.has_record_limits:
            return None
        return RecordCost(self.key.key_id, records or 0)

    def started_ms(self) -> int:
        """Return the time at which the client request arrived, in milliseconds since the epoch."""
        return self._clock.now_ms() - int((self._clock.monotonic() - self._started) * 1000)

    def to_registered_request(
        self, request: TrackedRequest, *, is_kept: bool, slots: tuple[tuple[str, str], ...] = ()
    ) -> RegisteredRequest:
        """Return a request in the form that the correlation store keeps."""
        now_ms = self._clock.now_ms()
        is_small = len(msgspec.json.encode(request.arguments)) <= MAX_ARGUMENTS
        tables = () if is_small else metering.tables_in_arguments(request.tool, request.arguments) or ()
        return RegisteredRequest(
            event_id=self._new_event_id(now_ms),
            id_json=request.id_json,
            method=request.method,
            caller=msgspec.structs.replace(self.caller, session_id=""),
            started_ms=self.started_ms(),
            tool=stored_text(request.tool),
            arguments=request.arguments if is_small else {},
            arguments_hash=arguments_hash(request.arguments) if request.method == "tools/call" else "",
            tables=tables,
            written=metering.tables_written(request.tool, request.arguments) if tables else (),
            task_id=request.task_id,
            cursor=request.cursor,
            slots=slots,
            is_restricted=is_restricted(self.key),
            is_kept=is_kept,
        )


def build_usage_event(
    call: KnownRequest,
    caller: Caller,
    identity: EventIdentity,
    outcome: Outcome,
    *,
    created_at: int,
    duration_ms: float,
) -> UsageEvent:
    """Build the usage event of an answered call."""
    metered, status = outcome.metered, outcome.status
    return UsageEvent(
        event_id=identity.event_id,
        created_at=created_at,
        key_id=caller.key_id,
        key_name=caller.key_name,
        owner=caller.owner,
        tool_name=stored_text(call.tool),
        table_names=tuple(map(without_keys, metered.tables)),
        record_count=0 if status == "denied" else metered.records,
        count_method=metered.method,
        is_error=status != "ok",
        status=status,
        duration_ms=duration_ms,
        response_bytes=outcome.response_bytes,
        client_name=caller.client_name,
        client_version=caller.client_version,
        session_id=caller.session_id,
        request_id=stored_text(call.id_json),
        protocol_version=caller.protocol_version,
        client_ip=caller.client_ip,
        gateway_id=caller.gateway_id,
        arguments_hash=identity.arguments_hash,
        written_tables=tuple(map(without_keys, metered.written)),
        count_path=metered.path,
        count_witness=metered.witness,
        count_signs=metered.signs,
        count_confidence=None if metered.confidence is None else round(metered.confidence, 3),
    )


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """Return a short digest of a call's arguments, to recognise equal calls without storing their content."""
    canonical = msgspec.json.encode(arguments, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def meter_tool_response(
    call: TrackedRequest, response: ToolResponse | None, meter: Meter, response_bytes: int
) -> Outcome | None:
    """Meter a single-result response to a call; return `None` for any other response, which needs general inspection.

    `response` is the result of `decode_tool_response`. A tool with a metering rule has no single-result response.
    """
    if response is None or bytes(response.id) != call.id_json.encode():
        return None
    metered = meter.meter_decoded(call.tool, call.arguments, response.result)
    if metered is None:
        return None
    return Outcome(metered, "tool_error" if response.result.isError is True else "ok", response_bytes)
