"""The requests of one exchange, waiting for their answers, and the usage events that come of them.

The rules:

- An event is made when the result passes, wherever it passes; a result belongs to a call by its JSON-RPC id, and `"1"`
  is not `1`. Each call gives at most one event.
- A result of type `input_required` is no completed call, nor is one that only names a task: the call is completed by
  what is later told of that task. An error object is a call with `is_error`.
- What is answered here but was asked elsewhere is asked of Redis, and so is what made a task. `observe` then says what
  it asks, does nothing, and is called again with what was found.
- For a restricted key nothing passes unchecked: a list of tools is filtered, and a result of a tool that the key is not
  allowed, that read a table which the key is not allowed, or of which either cannot be known, is replaced by an error.

Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.metering import Metered
from gateway.protocol.buffers import Chunk
from gateway.protocol.message import Message, id_as_json
from gateway.proxy.accounting import redaction
from gateway.proxy.accounting.models import (
    MAX_ARGUMENTS,
    Call,
    Lookup,
    LookupResult,
    PendingRequest,
    Scope,
    is_restricted,
)
from gateway.proxy.accounting.response_decoder import ToolAnswer, read_answers, read_tool_answer, rebuilt
from gateway.proxy.accounting.response_inspection import TASK_READS, Inspection, Meter, ResponseInspector, count
from gateway.proxy.admission.caller import MAX_TEXT, Caller
from gateway.usage.event import UsageEvent

_WITH_RESULT = frozenset({"tools/call", "tasks/result"})
_NOTHING_FOUND: Mapping[Lookup, LookupResult] = {}
_UNREAD = Metered(tables=(), records=None, method=metering.UNKNOWN)


class Clock(msgspec.Struct, frozen=True):
    """Where time and event ids come from."""

    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    new_event_id: Callable[[int], str]


class PendingCalls:
    """Looks at the answers of one exchange as they pass."""

    def __init__(
        self,
        messages: Iterable[Message],
        caller: Caller,
        key: KeyRecord | None,
        clock: Clock,
        meter: Meter,
        *,
        listens: bool = False,
        learn: Callable[[bytes], None] | None = None,
        started: float | None = None,
    ) -> None:
        """`listens`: the exchange is a stream on which answers to requests of others come.

        `learn` is told every list of tools that passes, as the upstream gave it. `started` is the clock's monotonic
        time at which the exchange began, if that is not now.
        """
        self._caller = caller
        self.key = key
        self._clock = clock
        self.meter = meter
        self._started = clock.monotonic() if started is None else started
        self._listens = listens
        self.learn = learn
        self._has_tables = key is not None and key.allowed_tables is not None
        self._has_tools = key is not None and key.allowed_tools is not None
        self.waiting: dict[str, Call] = {}
        """The requests that have not been answered, by id."""
        self.has_entered = False
        """Whether the stream has said which session it belongs to."""
        self._ahead: tuple[Chunk, ToolAnswer | None] = (b"", None)
        """What was read ahead, and what it was read as."""
        self.noted: dict[str, PendingRequest] = {}
        """Those of the requests that were noted in Redis, by id."""
        for message in messages:
            if message.kind == "request" and (call := self._call(message)) is not None:
                self.waiting[call.id_json] = call
        self.must_check = self._has_tables or (self._has_tools and (listens or self._asks_beside_calls()))
        """Whether answers may have to be changed or refused, so that none may pass before it was looked at."""

    @property
    def is_watching(self) -> bool:
        """Whether an answer is still to be looked at."""
        return bool(self.waiting) or self._listens or self._has_tables

    @property
    def is_waiting(self) -> bool:
        """Whether a request has not been answered."""
        return bool(self.waiting)

    @property
    def is_to_be_noted(self) -> bool:
        """Whether a request has been neither answered nor noted."""
        return any(id_json not in self.noted for id_json in self.waiting)

    @property
    def is_waiting_for_result(self) -> bool:
        """Whether a tool call, or what asks for a task's result, has not been answered."""
        return any(call.method in _WITH_RESULT for call in self.waiting.values())

    @property
    def is_restricted(self) -> bool:
        """Whether the key is limited to tables, so that what its ids stand for has to be beyond doubt."""
        return self._has_tables

    @property
    def scope(self) -> Scope | None:
        """Within what the ids of the requests are unique; `None` where nobody is known to ask."""
        if self.key is None:
            return None
        session_id = self._caller.session_id
        if session_id:
            return Scope(self.key.owner, "session", session_id)
        return Scope(self.key.owner, "key", self.key.key_id)

    @property
    def is_in_session(self) -> bool:
        """Whether the exchange belongs to a session."""
        return bool(self._caller.session_id)

    def enter(self, session_id: str) -> None:
        """The stream has said which session it belongs to."""
        self._caller = msgspec.structs.replace(self._caller, session_id=session_id)
        self.has_entered = True

    @property
    def is_prepared(self) -> bool:
        """Whether `observe` takes no time to speak of; if not, `prepare` is called in a thread before."""
        return all(metering.is_prepared(call.arguments) for call in self.waiting.values() if call.arguments)

    def prepare(self) -> None:
        """Read the SQL in the calls' arguments, however long that takes."""
        for call in self.waiting.values():
            metering.prepare(call.arguments)

    def awaited(self, *, is_repeatable: bool) -> dict[str, PendingRequest]:
        """The requests that are not answered and not noted, by id, as they are to be noted.

        `is_repeatable` says that an answer may come more than once, on streams that are taken up again.
        """
        return {
            id_: self.as_awaited(call, is_kept=is_repeatable)
            for id_, call in self.waiting.items()
            if id_ not in self.noted
        }

    def read_ahead(self, data: Chunk) -> None:
        """Do a part of the work that `observe` would do on the same data."""
        if self._is_usual:
            self._ahead = data, read_tool_answer(data)

    def observe(self, data: bytes, found: Mapping[Lookup, LookupResult] = _NOTHING_FOUND) -> Inspection:
        """ResponseInspector at one JSON text of an answer, with what was found of what it asked before."""
        if (sight := self._usual(data)) is not None:
            return sight
        answers = read_answers(data)
        sight = Inspection(data)
        look = ResponseInspector(self, found, sight)
        replaced = {
            index: replacement for index, answer in enumerate(answers) if (replacement := look.at(answer)) is not None
        }
        if sight.asks:
            return Inspection(data, asks=sight.asks)
        for id_json in sight.closed:
            self.waiting.pop(id_json, None)
        if replaced:
            sight.passed = rebuilt(data, answers, replaced)
        elif not answers and self._has_tables and data.strip():
            sight.passed = redaction.refused(self.only_id)
        return sight

    @property
    def _is_usual(self) -> bool:
        """Whether one call of a key that is not limited to tables waits, noted nowhere."""
        if len(self.waiting) != 1 or self.noted or self.must_check:
            return False
        return next(iter(self.waiting.values())).method == "tools/call"

    def _usual(self, data: bytes) -> Inspection | None:
        """The look at the result of the one call of a key that is not limited to tables; `None` for all else."""
        if not self._is_usual:
            return None
        (call,) = self.waiting.values()
        seen, ahead = self._ahead
        counted = count_usual(call, ahead if seen is data else read_tool_answer(data), self.meter)
        if counted is None:
            return None
        sight = Inspection(data)
        count(self, sight, call, *counted, len(data))
        self.waiting.clear()
        return sight

    def abandon(self) -> Inspection:
        """Give up on answers too large to be held: their calls are counted, their records unknown."""
        sight = Inspection(b"")
        for call in self.waiting.values():
            if call.method == "tools/call":
                count(self, sight, call, _UNREAD, "ok", 0)
        self.waiting.clear()
        return sight

    def has_quota(self, call: Call | PendingRequest) -> bool:
        """Whether the records of a call are taken of a quota: of its own key's."""
        if isinstance(call, PendingRequest):
            return call.has_quota
        return self.key is not None and self.key.records_per_day is not None

    def event(self, call: Call | PendingRequest, metered: Metered, status: str, response_bytes: int) -> UsageEvent:
        """The usage event of a call that was made here or elsewhere."""
        now_ms = self._clock.now_ms()
        if isinstance(call, PendingRequest):
            caller, event_id, digest = call.caller, call.event_id, call.arguments_hash
            duration_ms = float(max(0, now_ms - call.started_ms))
        else:
            noted = self.noted.get(call.id_json)
            caller, event_id = self._caller, noted.event_id if noted else self._clock.new_event_id(now_ms)
            digest = arguments_hash(call.arguments)
            duration_ms = round((self._clock.monotonic() - self._started) * 1000, 3)
        return usage_event(
            call,
            caller,
            metered,
            status,
            event_id=event_id,
            created_at=now_ms,
            duration_ms=duration_ms,
            response_bytes=response_bytes,
            session_id=self._caller.session_id,
            arguments_digest=digest,
        )

    def as_awaited(self, call: Call | PendingRequest, *, is_kept: bool) -> PendingRequest:
        """A request as it is noted."""
        if isinstance(call, PendingRequest):
            return call
        if call.id_json in self.noted:
            return self.noted[call.id_json]
        now_ms = self._clock.now_ms()
        is_small = len(msgspec.json.encode(call.arguments)) <= MAX_ARGUMENTS
        return PendingRequest(
            event_id=self._clock.new_event_id(now_ms),
            id_json=call.id_json,
            method=call.method,
            caller=msgspec.structs.replace(self._caller, session_id=""),
            started_ms=now_ms - round((self._clock.monotonic() - self._started) * 1000),
            tool=call.tool[:MAX_TEXT],
            arguments=call.arguments if is_small else {},
            arguments_hash=arguments_hash(call.arguments) if call.method == "tools/call" else "",
            tables=() if is_small else metering.tables_in_arguments(call.tool, call.arguments) or (),
            task_id=call.task_id,
            has_quota=self.has_quota(call),
            is_restricted=is_restricted(self.key),
            is_kept=is_kept,
        )

    def _call(self, message: Message) -> Call | None:
        """The request as it has to be known for its answer; `None` where its answer need not be looked at."""
        method = message.method
        if method == "tools/call":
            return tool_call(message)
        if method in TASK_READS:
            return Call(id_as_json(message.id), method, task_id=message.task_id or "")
        if self._has_tables or method == "tools/list":
            return Call(id_as_json(message.id), method)
        return None

    def _asks_beside_calls(self) -> bool:
        """Whether tools are listed, or a task is asked for that another key may have made."""
        return any(call.method != "tools/call" for call in self.waiting.values())

    @property
    def only_id(self) -> object:
        """The id of the one request that waits for an answer; `None` where it is not the only one."""
        return msgspec.json.decode(next(iter(self.waiting))) if len(self.waiting) == 1 else None


def tool_call(message: Message) -> Call:
    """A `tools/call` as it has to be known for its answer."""
    return Call(id_as_json(message.id), "tools/call", message.tool or "", message.arguments)


def count_usual(call: Call, answer: ToolAnswer | None, meter: Meter) -> tuple[Metered, str] | None:
    """What the usual answer to a call returned, and its status; `None` for any other answer, which has to be looked at.

    Usual is one message with the call's id and the complete result of a tool, for which there is no rule.
    """
    if answer is None or bytes(answer.id) != call.id_json.encode():
        return None
    metered = meter.without_rule(call.tool, call.arguments, answer.result)
    if metered is None:
        return None
    return metered, "tool_error" if answer.result.isError is True else "ok"


def usage_event(
    call: Call | PendingRequest,
    caller: Caller,
    metered: Metered,
    status: str,
    *,
    event_id: str,
    created_at: int,
    duration_ms: float,
    response_bytes: int,
    session_id: str,
    arguments_digest: str,
) -> UsageEvent:
    """The usage event of an answered call."""
    return UsageEvent(
        event_id=event_id,
        created_at=created_at,
        key_id=caller.key_id,
        key_name=caller.key_name,
        owner=caller.owner,
        tool_name=call.tool[:MAX_TEXT],
        table_names=metered.tables,
        record_count=metered.records,
        count_method=metered.method,
        is_error=status != "ok",
        status=status,
        duration_ms=duration_ms,
        response_bytes=response_bytes,
        client_name=caller.client_name,
        client_version=caller.client_version,
        session_id=session_id,
        request_id=call.id_json[:MAX_TEXT],
        protocol_version=caller.protocol_version,
        client_ip=caller.client_ip,
        gateway_id=caller.gateway_id,
        arguments_hash=arguments_digest,
    )


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """A short digest of a call's arguments in canonical JSON, to tell equal calls without storing what was asked."""
    canonical = msgspec.json.encode(arguments, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]
