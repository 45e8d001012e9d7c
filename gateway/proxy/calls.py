"""The tool calls of one request, waiting for their results, and the usage events that come of them.

The rules:

- An event is made when the result passes, wherever it passes; a result belongs to a call by its JSON-RPC id, and `"1"`
  is not `1`. Each call gives at most one event.
- A result of type `input_required`, or one that only names a task, is no completed call. An error object is a call
  with `is_error`.
- For a restricted key nothing passes unchecked: a list of tools is filtered, and a result that read a table which the
  key is not allowed, or that cannot be known, is replaced by an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.metering import Metered
from gateway.protocol.errors import DENIED, error_body
from gateway.protocol.message import Message, id_as_json
from gateway.proxy.decision import is_tool_allowed, tables_refusal
from gateway.usage.event import UsageEvent

Meter = Callable[[str, Mapping[str, Any], bytes], Metered]

_MAX_TEXT = 256
"""Characters of a name that a client or server chose, as it is kept in a usage event."""

_ABSENT = msgspec.Raw(b"")


class Call(msgspec.Struct, frozen=True):
    """One `tools/call` on its way."""

    id_json: str
    tool: str
    arguments: Mapping[str, Any]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes the calls of a request, and through what."""

    key_id: str
    key_name: str
    owner: str
    client_name: str
    client_version: str
    session_id: str
    protocol_version: str
    client_ip: str
    gateway_id: str


class Clock(msgspec.Struct, frozen=True):
    """Where time and event ids come from."""

    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    new_event_id: Callable[[int], str]


class _Answer(msgspec.Struct):
    id: msgspec.Raw = _ABSENT
    method: msgspec.Raw = _ABSENT
    result: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT


class _ResultHead(msgspec.Struct, rename="camel"):
    is_error: bool = False
    result_type: str = ""
    task: msgspec.Raw = _ABSENT
    content: msgspec.Raw = _ABSENT


_one = msgspec.json.Decoder(_Answer)
_many = msgspec.json.Decoder(list[_Answer])
_result_head = msgspec.json.Decoder(_ResultHead)


class Calls:
    """Looks at the answers of one exchange as they pass."""

    def __init__(
        self, messages: Iterable[Message], caller: Caller, key: KeyRecord | None, clock: Clock, meter: Meter
    ) -> None:
        self._caller = caller
        self._key = key
        self._clock = clock
        self._meter = meter
        self._started = clock.monotonic()
        self._pending: dict[str, Call] = {}
        self._lists: set[str] = set()
        for message in messages:
            if message.kind != "request":
                continue
            if message.method == "tools/call":
                call = Call(id_as_json(message.id), message.tool or "", message.arguments)
                self._pending[call.id_json] = call
            elif message.method == "tools/list" and key is not None and key.allowed_tools is not None:
                self._lists.add(id_as_json(message.id))

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to be looked at."""
        return bool(self._pending or self._lists)

    @property
    def is_waiting_for_result(self) -> bool:
        """Whether a tool call has not been answered."""
        return bool(self._pending)

    @property
    def must_check(self) -> bool:
        """Whether answers may have to be changed or refused, so that none may pass before it was looked at."""
        return bool(self._lists) or (
            bool(self._pending) and self._key is not None and self._key.allowed_tables is not None
        )

    @property
    def is_prepared(self) -> bool:
        """Whether `observe` takes no time to speak of; if not, `prepare` is called in a thread before."""
        return all(metering.is_prepared(call.arguments) for call in self._pending.values())

    def prepare(self) -> None:
        """Read the SQL in the calls' arguments, however long that takes."""
        for call in self._pending.values():
            metering.prepare(call.arguments)

    def observe(self, data: bytes) -> tuple[bytes, list[UsageEvent]]:
        """Look at one JSON text of an answer: what may pass in its place, and the events that it makes."""
        answers = _decode(data)
        events: list[UsageEvent] = []
        replaced: dict[int, bytes] = {}
        for index, answer in enumerate(answers):
            if not bytes(answer.id) or bytes(answer.method):
                continue
            id_ = msgspec.json.decode(answer.id)
            id_json = id_as_json(id_)
            if id_json in self._pending:
                event, replacement = self._settle(self._pending[id_json], id_, answer, len(data))
                if event is not None:
                    del self._pending[id_json]
                    events.append(event)
                if replacement is not None:
                    replaced[index] = replacement
            elif id_json in self._lists and bytes(answer.result):
                self._lists.discard(id_json)
                replaced[index] = self._filtered(id_, answer.result)
        return (_rebuilt(data, answers, replaced) if replaced else data), events

    def abandon(self) -> list[UsageEvent]:
        """Give up on answers too large to be held: their calls are counted, their records unknown."""
        events = [
            self._event(call, Metered(tables=(), records=None, method="unknown"), "ok", response_bytes=0)
            for call in self._pending.values()
        ]
        self._pending.clear()
        self._lists.clear()
        return events

    def _settle(
        self, call: Call, id_: object, answer: _Answer, response_bytes: int
    ) -> tuple[UsageEvent | None, bytes | None]:
        if bytes(answer.error):
            return self._event(call, Metered(tables=(), records=0, method="error"), "rpc_error", response_bytes), None
        result = bytes(answer.result)
        if not result:
            return None, None
        try:
            head = _result_head.decode(result)
        except msgspec.MsgspecError:
            head = _ResultHead()
        if head.result_type == "input_required" or (bytes(head.task) and not bytes(head.content)):
            return None, None
        metered = self._meter(call.tool, call.arguments, result)
        # Where no table was found, what was read is unknown, however well its records could be counted.
        refusal = None if self._key is None or head.is_error else tables_refusal(self._key, metered.tables or None)
        if refusal is not None:
            event = self._event(call, metered, "denied", response_bytes)
            return msgspec.structs.replace(event, record_count=0), error_body(id_, DENIED, refusal.message)
        return self._event(call, metered, "tool_error" if head.is_error else "ok", response_bytes), None

    def _event(self, call: Call, metered: Metered, status: str, response_bytes: int) -> UsageEvent:
        now_ms = self._clock.now_ms()
        caller = self._caller
        return UsageEvent(
            event_id=self._clock.new_event_id(now_ms),
            created_at=now_ms,
            key_id=caller.key_id,
            key_name=caller.key_name,
            owner=caller.owner,
            tool_name=call.tool[:_MAX_TEXT],
            table_names=metered.tables,
            record_count=metered.records,
            count_method=metered.method,
            is_error=status != "ok",
            status=status,
            duration_ms=round((self._clock.monotonic() - self._started) * 1000, 3),
            response_bytes=response_bytes,
            client_name=caller.client_name[:_MAX_TEXT],
            client_version=caller.client_version[:_MAX_TEXT],
            session_id=caller.session_id,
            request_id=call.id_json[:_MAX_TEXT],
            protocol_version=caller.protocol_version[:_MAX_TEXT],
            client_ip=caller.client_ip,
            gateway_id=caller.gateway_id,
            arguments_hash=arguments_hash(call.arguments),
        )

    def _filtered(self, id_: object, result: msgspec.Raw) -> bytes:
        value = msgspec.json.decode(result)
        if isinstance(value, dict) and isinstance(value.get("tools"), list) and self._key is not None:
            value["tools"] = [tool for tool in value["tools"] if is_tool_allowed(self._key, _name_of(tool))]
        return msgspec.json.encode({"jsonrpc": "2.0", "id": id_, "result": value})


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """A short digest of a call's arguments in canonical JSON, to tell equal calls without storing what was asked."""
    canonical = msgspec.json.encode(arguments, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _name_of(tool: object) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""


def _decode(data: bytes) -> Sequence[_Answer]:
    try:
        if data[:64].lstrip().startswith(b"["):
            return _many.decode(data)
        return (_one.decode(data),)
    except (msgspec.MsgspecError, RecursionError):
        return ()


def _rebuilt(data: bytes, answers: Sequence[_Answer], replaced: Mapping[int, bytes]) -> bytes:
    if not data[:64].lstrip().startswith(b"["):
        return replaced[0]
    originals = msgspec.json.decode(data, type=list[msgspec.Raw])
    return b"[" + b",".join(replaced.get(index, bytes(raw)) for index, raw in enumerate(originals)) + b"]"
