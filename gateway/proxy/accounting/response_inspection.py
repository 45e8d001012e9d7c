"""One look at one JSON text of an answer: what may pass in its place, and what is to be counted.

Nothing here does I/O, and nothing changes the requests that it looks at: what a look has found is its `Inspection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.metering import Metered, Result
from gateway.protocol.errors import DENIED, INVALID_PARAMS, error_body
from gateway.protocol.message import id_as_json
from gateway.proxy.accounting import redaction
from gateway.proxy.accounting.models import UNKNOWN, Call, Lookup, LookupResult, PendingRequest
from gateway.proxy.accounting.response_decoder import (
    ABSENT,
    ResultHead,
    RpcAnswer,
    decoded,
    error_code,
    no_error,
    result_head,
)
from gateway.proxy.admission.policy import is_tool_allowed, tables_refusal
from gateway.proxy.admission.rejections import Deny
from gateway.usage.event import UsageEvent

TASK_READS = frozenset({"tasks/get", "tasks/result"})
"""Requests that are answered with the result of a task (2025-11-25, and the tasks extension of 2026-07-28)."""

_MAX_TASK_ID = 1024
_TASK_SECONDS = 24 * 3600
"""For which a task is remembered that says nothing of its life, or of a longer one."""
_TASK_GRACE = 60
"""Seconds that a task is remembered beyond its life, for an answer that is on its way."""
_TASK_NEWS = "notifications/tasks"
_NO_RECORDS = Metered(tables=(), records=0, method=metering.ERROR)


class Meter(Protocol):
    """What calls are counted with."""

    def __call__(self, tool: str, arguments: Mapping[str, Any], result: bytes) -> Metered:
        """Meter one answered call."""

    def without_rule(self, tool: str, arguments: Mapping[str, Any], parts: Result) -> Metered | None:
        """Meter a call whose result was read with the message around it; `None` where it is needed whole."""


class Task(msgspec.Struct, frozen=True):
    """A task that a call has made, to be noted before its client hears of it."""

    id: str
    seconds: int
    made_by: PendingRequest


class Inspection(msgspec.Struct):
    """What became of one JSON text of an answer.

    Where it `asks`, nothing became of it yet. `tasks` are to be noted before it passes, and `taken` to be confirmed
    when the events are safe.
    """

    passed: bytes
    """What may pass in its place."""
    events: list[UsageEvent] = []
    records: dict[str, int] = {}
    """What the events take of daily quotas of records, by key id."""
    asks: list[Lookup] = []
    taken: list[Lookup] = []
    tasks: list[Task] = []
    closed: list[str] = []
    """The ids of the exchange's own requests that are answered."""


class InspectionContext(Protocol):
    """The exchange whose answers are looked at."""

    key: KeyRecord | None
    meter: Meter
    learn: Callable[[bytes], None] | None
    waiting: dict[str, Call]
    noted: dict[str, PendingRequest]

    @property
    def only_id(self) -> object:
        """The id of the one request that waits for an answer; `None` where it is not the only one."""

    def event(self, call: Call | PendingRequest, metered: Metered, status: str, response_bytes: int) -> UsageEvent:
        """The usage event of a call that was made here or elsewhere."""

    def has_quota(self, call: Call | PendingRequest) -> bool:
        """Whether the records of a call are taken of a quota."""

    def as_awaited(self, call: Call | PendingRequest, *, is_kept: bool) -> PendingRequest:
        """A request as it is noted."""


class ResponseInspector:
    """Looks at the messages of one JSON text."""

    __slots__ = ("_asking", "_found", "_has_tables", "_key", "_sight", "_size")

    def __init__(self, asking: InspectionContext, found: Mapping[Lookup, LookupResult], sight: Inspection) -> None:
        self._asking = asking
        self._key = asking.key
        self._has_tables = asking.key is not None and asking.key.allowed_tables is not None
        self._found = found
        self._sight = sight
        self._size = len(sight.passed)

    def at(self, answer: RpcAnswer) -> bytes | None:
        """What has to pass in a message's place, if anything has."""
        if answer.is_odd and self._has_tables:
            return redaction.refused(decoded(answer.id) if answer.id else self._asking.only_id)
        if answer.method and decoded(answer.method) == _TASK_NEWS:
            return self._at_news(answer)
        if not answer.id or not (answer.result or answer.error):
            return None
        try:
            id_ = msgspec.json.decode(answer.id)
        except msgspec.MsgspecError:
            return redaction.refused(None) if self._has_tables else None
        id_json = id_as_json(id_)
        call = self._asking.waiting.get(id_json)
        if call is None:
            return self._at_foreign(id_json, id_, answer)
        counts = True
        if id_json in self._asking.noted:
            known = self._known(Lookup("request", id_json, is_own=True))
            if known is None:
                return None
            # One that was noted here, and that nobody knows any more, was not counted elsewhere: Redis has lost it.
            counts = known.state != "counted"
        self._sight.closed.append(id_json)
        return self._answered(call, counts, id_, answer)

    def _at_foreign(self, id_json: str, id_: object, answer: RpcAnswer) -> bytes | None:
        """An answer to what was asked in another exchange."""
        if id_ is None and not answer.result:
            # An error that belongs to no request.
            return None
        known = self._known(Lookup("request", id_json)) if self._key is not None else UNKNOWN
        if known is None:
            return None
        request, counts = known.request, known.state == "taken"
        if answer.result and (request is None or (self._has_tables and not known.is_certain)):
            if counts and request is not None and request.method == "tools/call":
                self._count(request, _NO_RECORDS, "denied")
            return redaction.unmatched(self._key, id_, answer.result)
        return None if request is None else self._answered(request, counts, id_, answer)

    def _answered(self, call: Call | PendingRequest, counts: bool, id_: object, answer: RpcAnswer) -> bytes | None:
        """An answer to a request that is known; `counts` says that nobody has counted it yet."""
        if call.method == "tools/call":
            return self._settle(call, counts, id_, answer.result, answer.error)
        if call.method in TASK_READS:
            return self._at_task(call, id_, answer)
        if not answer.result:
            return None
        if call.method == "tools/list":
            if self._asking.learn is not None:
                self._asking.learn(bytes(answer.result))
            return redaction.filtered(self._key, id_, answer.result)
        if isinstance(call, PendingRequest):
            return redaction.other(self._key, id_, answer.result)
        return None

    def _settle(
        self, call: Call | PendingRequest, counts: bool, id_: object, result: msgspec.Raw, error: msgspec.Raw
    ) -> bytes | None:
        """The answer to a `tools/call`."""
        if not result:
            if counts and error:
                self._count(call, _NO_RECORDS, "rpc_error")
            return None
        head = result_head(result)
        if not (self._has_tables and head.is_of_a_tool):
            if head.result_type == "input_required":
                return None
            if (task := _task_in(head)) is not None:
                if counts and task[0]:
                    made_by = msgspec.structs.replace(self._asking.as_awaited(call, is_kept=True), is_kept=True)
                    self._sight.tasks.append(Task(task[0], task[1], made_by))
                return None
        if isinstance(call, PendingRequest) and self._key is not None and not is_tool_allowed(self._key, call.tool):
            if counts:
                self._count(call, _NO_RECORDS, "denied")
            return error_body(id_, DENIED, "This API key may not call this tool")
        metered = self._asking.meter(call.tool, call.arguments, bytes(result))
        if not metered.tables and isinstance(call, PendingRequest) and call.tables and metered.method != metering.ERROR:
            metered = msgspec.structs.replace(metered, tables=call.tables)
        refusal = self._refusal(call, result, head, metered)
        if counts:
            self._count(call, metered, "denied" if refusal else "tool_error" if head.is_error else "ok")
        return error_body(id_, DENIED, refusal.message) if refusal else None

    def _refusal(
        self, call: Call | PendingRequest, result: msgspec.Raw, head: ResultHead, metered: Metered
    ) -> Deny | None:
        """Why the key may not see the result of a tool, if it may not."""
        if self._key is None or not self._has_tables:
            return None
        if not head.is_error:
            # Where no table was found, what was read is unknown, however well its records could be counted.
            return tables_refusal(self._key, metered.tables or None)
        # An error has read nothing; but it may carry records of a table all the same.
        return tables_refusal(self._key, self._asking.meter(call.tool, call.arguments, no_error(result)).tables)

    def _at_task(self, read: Call | PendingRequest, id_: object, answer: RpcAnswer) -> bytes | None:
        """The answer to a request for a task or its result."""
        result, error = answer.result, answer.error
        if read.method == "tasks/get":
            # It tells a result only since the tasks extension, within the task; an error is one of the question.
            head = result_head(result) if result else ResultHead()
            if refusal := redaction.other(self._key, id_, result):
                return refusal
            result, error = head.result, head.error if head.status == "failed" else ABSENT
        elif error and error_code(error) == INVALID_PARAMS:
            # There is no such task.
            return None
        return self._settle_task(read.task_id, id_, result, error)

    def _at_news(self, answer: RpcAnswer) -> bytes | None:
        """A notification of a task, which may tell its result (the tasks extension); none of another owner's passes."""
        head = result_head(answer.params) if answer.params else ResultHead()
        known = self._known(Lookup("owner", head.task_id))
        if known is None:
            return None
        if known.state == "foreign":
            return redaction.NOTHING
        error = head.error if head.status == "failed" else ABSENT
        if self._settle_task(head.task_id, None, head.result, error) is None:
            return None
        return redaction.without_result(answer.params)

    def _settle_task(self, task_id: str, id_: object, result: msgspec.Raw, error: msgspec.Raw) -> bytes | None:
        """What a task has come to, if it has."""
        if not (result or error) or self._key is None:
            return None
        if result and result_head(result).result_type == "input_required":
            return None
        known = self._known(Lookup("task", task_id)) if len(task_id) <= _MAX_TASK_ID else UNKNOWN
        if known is None:
            return None
        if known.request is None:
            return redaction.unmatched(self._key, id_, result) if result else None
        return self._settle(known.request, known.state == "taken", id_, result, error)

    def _known(self, ask: Lookup) -> LookupResult | None:
        """What was found of this; `None` where it is asked first."""
        known = self._found.get(ask)
        if known is None:
            self._sight.asks.append(ask)
        elif known.state == "taken":
            self._sight.taken.append(ask)
        return known

    def _count(self, call: Call | PendingRequest, metered: Metered, status: str) -> None:
        count(self._asking, self._sight, call, metered, status, self._size)


def count(
    asking: InspectionContext, sight: Inspection, call: Call | PendingRequest, metered: Metered, status: str, size: int
) -> None:
    """A call is answered, with so many bytes."""
    event = asking.event(call, metered, status, size)
    if status == "denied":
        event = msgspec.structs.replace(event, record_count=0)
    sight.events.append(event)
    if asking.has_quota(call):
        sight.records[event.key_id] = sight.records.get(event.key_id, 0) + (event.record_count or 0)


def _task_in(head: ResultHead) -> tuple[str, int] | None:
    """The id and the life in seconds of the task that a result is but the handle of; `None` where it is none."""
    if head.result_type == "task":
        state, life_ms = head, head.ttl_ms
    elif head.task and not head.is_of_a_tool and (state := result_head(head.task)).task_id:
        life_ms = state.ttl
    else:
        return None
    seconds = _TASK_SECONDS if life_ms is None else min(_TASK_SECONDS, max(0, int(life_ms / 1000)) + _TASK_GRACE)
    return state.task_id if len(state.task_id) <= _MAX_TASK_ID else "", seconds
