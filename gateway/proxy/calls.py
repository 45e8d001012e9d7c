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
from gateway.protocol.errors import DENIED, INVALID_PARAMS, error_body
from gateway.protocol.message import Message, id_as_json
from gateway.proxy.asked import (
    MAX_ARGUMENTS,
    MAX_TEXT,
    UNKNOWN,
    Ask,
    Awaited,
    Call,
    Caller,
    Found,
    Scope,
    is_restricted,
)
from gateway.proxy.decision import is_tool_allowed, tables_refusal
from gateway.proxy.rpc_answers import (
    ResultHead,
    RpcAnswer,
    error_code,
    read_answers,
    rebuilt,
    result_head,
)
from gateway.usage.event import UsageEvent

Meter = Callable[[str, Mapping[str, Any], bytes], Metered]

TASK_READS = frozenset({"tasks/get", "tasks/result"})
"""Requests that are answered with the result of a task (2025-11-25, and the tasks extension of 2026-07-28)."""
_WITH_RESULT = frozenset({"tools/call", "tasks/result"})

_MAX_TASK_ID = 1024
_TASK_SECONDS = 24 * 3600
"""For which a task is remembered that says nothing of its life, or of a longer one."""
_TASK_GRACE = 60
"""Seconds that a task is remembered beyond its life, for an answer that is on its way."""
_TASK_NEWS = b'"notifications/tasks"'
_UNCHECKED = "This API key is limited, and this result cannot be matched to a call that it may make"
_OTHER_TOOL = "This API key may not call this tool"
_NOTHING_FOUND: Mapping[Ask, Found] = {}
_UNREAD = Metered(tables=(), records=None, method="unknown")
_NO_RECORDS = Metered(tables=(), records=0, method="error")


class Clock(msgspec.Struct, frozen=True):
    """Where time and event ids come from."""

    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    new_event_id: Callable[[int], str]


class Task(msgspec.Struct, frozen=True):
    """A task that a call has made, to be noted before its client hears of it."""

    id: str
    seconds: int
    made_by: Awaited


class Sight(msgspec.Struct):
    """What became of one JSON text of an answer.

    Where it `asks`, nothing became of it yet. `tasks` are to be noted before it passes, and `taken` to be confirmed
    when the events are safe.
    """

    passed: bytes
    """What may pass in its place."""
    events: list[UsageEvent] = msgspec.field(default_factory=list)
    records: dict[str, int] = msgspec.field(default_factory=dict)
    """What the events take of daily quotas of records, by key id."""
    asks: list[Ask] = msgspec.field(default_factory=list)
    taken: list[Ask] = msgspec.field(default_factory=list)
    tasks: list[Task] = msgspec.field(default_factory=list)


class Calls:
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
    ) -> None:
        """`listens`: the exchange is a stream on which answers to requests of others come.

        `learn` is told every list of tools that passes, as the upstream gave it.
        """
        self._caller = caller
        self._key = key
        self._clock = clock
        self._meter = meter
        self._started = clock.monotonic()
        self._listens = listens
        self._learn = learn
        self._has_tables = key is not None and key.allowed_tables is not None
        self._has_tools = key is not None and key.allowed_tools is not None
        self._open: dict[str, Call] = {}
        self.has_entered = False
        """Whether the stream has said which session it belongs to."""
        self.noted: dict[str, Awaited] = {}
        """Those of the requests that were noted in Redis, by id."""
        for message in messages:
            if message.kind == "request" and (call := self._call(message)) is not None:
                self._open[call.id_json] = call
        self.must_check = self._has_tables or (self._has_tools and (listens or self._asks_beside_calls()))
        """Whether answers may have to be changed or refused, so that none may pass before it was looked at."""

    @property
    def is_watching(self) -> bool:
        """Whether an answer is still to be looked at."""
        return bool(self._open) or self._listens or self._has_tables

    @property
    def is_waiting(self) -> bool:
        """Whether a request has not been answered."""
        return bool(self._open)

    @property
    def is_to_be_noted(self) -> bool:
        """Whether a request has been neither answered nor noted."""
        return any(id_json not in self.noted for id_json in self._open)

    @property
    def is_waiting_for_result(self) -> bool:
        """Whether a tool call, or what asks for a task's result, has not been answered."""
        return any(call.method in _WITH_RESULT for call in self._open.values())

    @property
    def is_restricted(self) -> bool:
        """Whether the key is limited to tables, so that what its ids stand for has to be beyond doubt."""
        return self._has_tables

    @property
    def scope(self) -> Scope | None:
        """Within what the ids of the requests are unique; `None` where nobody is known to ask."""
        if self._key is None:
            return None
        session_id = self._caller.session_id
        if session_id:
            return Scope(self._key.owner, "session", session_id)
        return Scope(self._key.owner, "key", self._key.key_id)

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
        return all(metering.is_prepared(call.arguments) for call in self._open.values() if call.arguments)

    def prepare(self) -> None:
        """Read the SQL in the calls' arguments, however long that takes."""
        for call in self._open.values():
            metering.prepare(call.arguments)

    def awaited(self, *, is_repeatable: bool) -> dict[str, Awaited]:
        """The requests that are not answered and not noted, by id, as they are to be noted.

        `is_repeatable` says that an answer may come more than once, on streams that are taken up again.
        """
        return {
            id_: self._as_awaited(call, is_kept=is_repeatable)
            for id_, call in self._open.items()
            if id_ not in self.noted
        }

    def observe(self, data: bytes, found: Mapping[Ask, Found] = _NOTHING_FOUND) -> Sight:
        """Look at one JSON text of an answer, with what was found of what it asked before."""
        answers = read_answers(data)
        sight = Sight(data)
        replaced: dict[int, bytes] = {}
        closed: list[str] = []
        for index, answer in enumerate(answers):
            replacement = self._look(answer, found, sight, closed, len(data))
            if replacement is not None:
                replaced[index] = replacement
        if sight.asks:
            return Sight(data, asks=sight.asks)
        for id_json in closed:
            self._open.pop(id_json, None)
        if replaced:
            sight.passed = rebuilt(data, answers, replaced)
        elif not answers and self._has_tables and data.strip():
            sight.passed = error_body(self._only_id(), DENIED, _UNCHECKED)
        return sight

    def abandon(self) -> Sight:
        """Give up on answers too large to be held: their calls are counted, their records unknown."""
        sight = Sight(b"")
        for call in self._open.values():
            if call.method == "tools/call":
                self._count(call, _UNREAD, "ok", 0, sight)
        self._open.clear()
        return sight

    # One answer.

    def _look(
        self, answer: RpcAnswer, found: Mapping[Ask, Found], sight: Sight, closed: list[str], size: int
    ) -> bytes | None:
        """What has to pass in an answer's place, if anything has; what else becomes of it goes into `sight`."""
        if answer.method:
            return self._look_at_news(answer, found, sight, size) if bytes(answer.method) == _TASK_NEWS else None
        if not answer.id or not (answer.result or answer.error):
            return None
        try:
            id_ = msgspec.json.decode(answer.id)
        except msgspec.MsgspecError:
            return error_body(None, DENIED, _UNCHECKED) if self._has_tables else None
        id_json = id_as_json(id_)
        call = self._open.get(id_json)
        if call is None:
            return self._look_at_foreign(id_json, id_, answer, found, sight, size)
        counts = True
        if id_json in self.noted:
            ask = Ask("request", id_json, is_own=True)
            if ask not in found:
                sight.asks.append(ask)
                return None
            counts = self._take(ask, found[ask], sight)
        closed.append(id_json)
        return self._answered(call, counts, id_, answer, found, sight, size)

    def _look_at_foreign(
        self, id_json: str, id_: object, answer: RpcAnswer, found: Mapping[Ask, Found], sight: Sight, size: int
    ) -> bytes | None:
        """An answer to what was asked in another exchange."""
        if self._key is None:
            return None
        ask = Ask("request", id_json)
        known = found.get(ask)
        if known is None:
            sight.asks.append(ask)
            return None
        counts = self._take(ask, known, sight)
        request = known.request
        if answer.result and (request is None or (self._has_tables and not known.is_certain)):
            if counts and request is not None and request.method == "tools/call":
                self._count(request, _NO_RECORDS, "denied", size, sight)
            return self._unmatched(id_, answer.result)
        if request is None:
            return None
        return self._answered(request, counts, id_, answer, found, sight, size)

    def _answered(
        self,
        call: Call | Awaited,
        counts: bool,
        id_: object,
        answer: RpcAnswer,
        found: Mapping[Ask, Found],
        sight: Sight,
        size: int,
    ) -> bytes | None:
        """An answer to a request that is known; `counts` says that nobody has counted it yet."""
        if call.method == "tools/call":
            return self._settle(call, counts, id_, answer.result, answer.error, sight, size)
        if call.method in TASK_READS:
            return self._look_at_task(call, id_, answer, found, sight, size)
        if not answer.result:
            return None
        if call.method == "tools/list":
            if self._learn is not None:
                self._learn(bytes(answer.result))
            return self._filtered(id_, answer.result) if self._has_tools else None
        if isinstance(call, Awaited) and is_restricted(self._key) and result_head(answer.result).is_of_a_tool:
            return error_body(id_, DENIED, _UNCHECKED)
        return None

    def _settle(
        self,
        call: Call | Awaited,
        counts: bool,
        id_: object,
        result: msgspec.Raw,
        error: msgspec.Raw,
        sight: Sight,
        size: int,
    ) -> bytes | None:
        """The answer to a `tools/call`."""
        if not result:
            if counts:
                self._count(call, _NO_RECORDS, "rpc_error", size, sight)
            return None
        head = result_head(result)
        if not (self._has_tables and head.is_of_a_tool):
            if head.result_type == "input_required":
                return None
            if (task := _task_in(head)) is not None:
                if counts and task[0]:
                    made_by = msgspec.structs.replace(self._as_awaited(call, is_kept=True), is_kept=True)
                    sight.tasks.append(Task(task[0], task[1], made_by))
                return None
        if isinstance(call, Awaited) and self._key is not None and not is_tool_allowed(self._key, call.tool):
            if counts:
                self._count(call, _NO_RECORDS, "denied", size, sight)
            return error_body(id_, DENIED, _OTHER_TOOL)
        metered = self._meter(call.tool, call.arguments, bytes(result))
        if not metered.tables and isinstance(call, Awaited) and call.tables and metered.method != metering.ERROR:
            metered = msgspec.structs.replace(metered, tables=call.tables)
        # Where no table was found, what was read is unknown, however well its records could be counted.
        refusal = None if self._key is None or head.is_error else tables_refusal(self._key, metered.tables or None)
        if counts:
            status = "denied" if refusal else "tool_error" if head.is_error else "ok"
            self._count(call, metered, status, size, sight)
        return error_body(id_, DENIED, refusal.message) if refusal else None

    # Tasks.

    def _look_at_task(
        self,
        read: Call | Awaited,
        id_: object,
        answer: RpcAnswer,
        found: Mapping[Ask, Found],
        sight: Sight,
        size: int,
    ) -> bytes | None:
        """The answer to a request for a task or its result."""
        result, error = answer.result, answer.error
        if read.method == "tasks/get":
            # It tells a result only since the tasks extension, within the task; an error is one of the question.
            head = result_head(result) if result else ResultHead()
            result, error = head.result, head.error if head.status == "failed" else msgspec.Raw(b"")
        elif error and error_code(error) == INVALID_PARAMS:
            # There is no such task.
            return None
        return self._settle_task(read.task_id, id_, result, error, found, sight, size)

    def _look_at_news(self, answer: RpcAnswer, found: Mapping[Ask, Found], sight: Sight, size: int) -> bytes | None:
        """A notification of a task, which may tell its result (the tasks extension)."""
        head = result_head(answer.params) if answer.params else ResultHead()
        error = head.error if head.status == "failed" else msgspec.Raw(b"")
        if self._settle_task(head.task_id, None, head.result, error, found, sight, size) is None:
            return None
        members = msgspec.json.decode(answer.params, type=dict[str, msgspec.Raw])
        members.pop("result", None)
        told = {**members, "status": "failed", "error": {"code": DENIED, "message": _UNCHECKED}}
        return msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/tasks", "params": told})

    def _settle_task(
        self,
        task_id: str,
        id_: object,
        result: msgspec.Raw,
        error: msgspec.Raw,
        found: Mapping[Ask, Found],
        sight: Sight,
        size: int,
    ) -> bytes | None:
        """What a task has come to, if it has."""
        if not (result or error) or self._key is None:
            return None
        if result and result_head(result).result_type == "input_required":
            return None
        ask = Ask("task", task_id)
        known = found.get(ask, UNKNOWN if len(task_id) > _MAX_TASK_ID else None)
        if known is None:
            sight.asks.append(ask)
            return None
        counts = self._take(ask, known, sight)
        if known.request is None:
            return self._unmatched(id_, result) if result else None
        return self._settle(known.request, counts, id_, result, error, sight, size)

    # What becomes of an answer.

    def _take(self, ask: Ask, known: Found, sight: Sight) -> bool:
        """Whether what was found is to be counted here."""
        if known.state == "taken":
            sight.taken.append(ask)
            return True
        # A request that was noted here, and that nobody knows any more, was not counted elsewhere: Redis has lost it.
        return known.state == "unknown" and ask.is_own

    def _unmatched(self, id_: object, result: msgspec.Raw) -> bytes | None:
        """A result of which it is not known what it answers."""
        if self._has_tables:
            return error_body(id_, DENIED, _UNCHECKED)
        if not self._has_tools:
            return None
        head = result_head(result)
        if head.tools:
            return self._filtered(id_, result)
        return error_body(id_, DENIED, _UNCHECKED) if head.is_of_a_tool else None

    def _count(self, call: Call | Awaited, metered: Metered, status: str, size: int, sight: Sight) -> None:
        event = self._event(call, metered, status, size)
        if status == "denied":
            event = msgspec.structs.replace(event, record_count=0)
        sight.events.append(event)
        if isinstance(call, Awaited):
            has_quota = call.has_quota
        else:
            has_quota = self._key is not None and self._key.records_per_day is not None
        if has_quota:
            sight.records[event.key_id] = sight.records.get(event.key_id, 0) + (event.record_count or 0)

    def _event(self, call: Call | Awaited, metered: Metered, status: str, response_bytes: int) -> UsageEvent:
        now_ms = self._clock.now_ms()
        if isinstance(call, Awaited):
            caller, event_id, digest = call.caller, call.event_id, call.arguments_hash
            duration_ms = float(max(0, now_ms - call.started_ms))
        else:
            noted = self.noted.get(call.id_json)
            caller, event_id = self._caller, noted.event_id if noted else self._clock.new_event_id(now_ms)
            digest = arguments_hash(call.arguments)
            duration_ms = round((self._clock.monotonic() - self._started) * 1000, 3)
        return UsageEvent(
            event_id=event_id,
            created_at=now_ms,
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
            session_id=self._caller.session_id,
            request_id=call.id_json[:MAX_TEXT],
            protocol_version=caller.protocol_version,
            client_ip=caller.client_ip,
            gateway_id=caller.gateway_id,
            arguments_hash=digest,
        )

    def _as_awaited(self, call: Call | Awaited, *, is_kept: bool) -> Awaited:
        """A request as it is noted."""
        if isinstance(call, Awaited):
            return call
        if call.id_json in self.noted:
            return self.noted[call.id_json]
        now_ms = self._clock.now_ms()
        is_small = len(msgspec.json.encode(call.arguments)) <= MAX_ARGUMENTS
        return Awaited(
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
            has_quota=self._key is not None and self._key.records_per_day is not None,
            is_restricted=is_restricted(self._key),
            is_kept=is_kept,
        )

    def _call(self, message: Message) -> Call | None:
        """The request as it has to be known for its answer; `None` where its answer need not be looked at."""
        method = message.method
        if method == "tools/call":
            return Call(id_as_json(message.id), method, message.tool or "", message.arguments)
        if method in TASK_READS:
            return Call(id_as_json(message.id), method, task_id=message.task_id or "")
        if self._has_tables or method == "tools/list":
            return Call(id_as_json(message.id), method)
        return None

    def _asks_beside_calls(self) -> bool:
        """Whether tools are listed, or a task is asked for that another key may have made."""
        return any(call.method != "tools/call" for call in self._open.values())

    def _only_id(self) -> object:
        """The id of the one request that waits for an answer; `None` where it is not the only one."""
        return msgspec.json.decode(next(iter(self._open))) if len(self._open) == 1 else None

    def _filtered(self, id_: object, result: msgspec.Raw) -> bytes:
        value = msgspec.json.decode(result)
        if isinstance(value, dict) and isinstance(value.get("tools"), list) and self._key is not None:
            value["tools"] = [tool for tool in value["tools"] if is_tool_allowed(self._key, _name_of(tool))]
        return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "result": value})


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """A short digest of a call's arguments in canonical JSON, to tell equal calls without storing what was asked."""
    canonical = msgspec.json.encode(arguments, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _task_in(head: ResultHead) -> tuple[str, int] | None:
    """The id and the life in seconds of the task that a result is but the handle of; `None` where it is none."""
    if head.result_type == "task":
        state, life_ms = head, head.ttl_ms
    elif head.task and not head.content:
        state = result_head(head.task)
        life_ms = state.ttl
    else:
        return None
    seconds = _TASK_SECONDS if life_ms is None else min(_TASK_SECONDS, max(0, int(life_ms / 1000)) + _TASK_GRACE)
    return state.task_id if len(state.task_id) <= _MAX_TASK_ID else "", seconds


def _name_of(tool: object) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""
