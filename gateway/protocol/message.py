"""Reading the body of a request once, into a frozen value.

What this module guarantees:

- A body is read by a strict JSON parser (no BOM, no UTF-16, no NaN, no lone surrogates, no trailing data) and is
  refused where two JSON parsers could disagree, that is where any object holds a member name twice.
- A body that is byte for byte its own canonical encoding cannot hold such a thing, so the usual compact message is
  checked by encoding it again; any other is parsed a second time with an eye on names.
- A value that was read is never looked at as bytes again, and the bytes are what is forwarded.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Literal

import msgspec

from gateway.protocol.errors import INVALID_REQUEST, PARSE_ERROR

MAX_CONTAINERS = 20_000
"""Objects and arrays in a body; to read so many takes some 10 ms."""
MAX_BATCH = 100
"""Messages in a batch; a longer one is refused."""
_MAX_TASKS = 1000
"""Tasks that one request names."""

Kind = Literal["request", "notification", "response"]

_MEMBERS_OF_A_PUBLIC_REQUEST = frozenset({"jsonrpc", "id", "method", "params"})
_TASK_METHODS = ("tasks/get", "tasks/result", "tasks/update", "tasks/cancel")
_LISTEN = "subscriptions/listen"
_INSPECTED = frozenset({"tools/call", "tools/list", _LISTEN, *_TASK_METHODS})
"""Methods whose params decide something."""
_INSPECTED_PARAMS = frozenset({"name", "arguments", "_meta", "task", "taskId", "taskIds", "notifications"})
_PARAMS_OF_A_CALL = frozenset({"name", "arguments", "_meta"})
_INSPECTED_FOLDED = frozenset(name.casefold() for name in _INSPECTED_PARAMS)
_SUBJECTS = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_MAX_INTEGER = 2**53 - 1
"""The largest integer that JSON parsers agree on (RFC 8259, section 6)."""
_NO_PARAMS: dict[str, Any] = {}
_MEMBERS = _MEMBERS_OF_A_PUBLIC_REQUEST | {"result", "error"}


class Unreadable(ValueError):
    """The body is not a JSON-RPC message, or two parsers could read it differently.

    `code` is the JSON-RPC error code (-32700 for JSON, -32600 for the message); `id` is the request's, where it could
    be read.
    """

    def __init__(self, code: int, message: str, id: object = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.id = id


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON-RPC message of a client."""

    kind: Kind
    method: str
    """Empty for a response."""
    id: Any
    """As it was sent: mind that `"1"` is not `1`, and that `None` may also mean absent (then `kind` tells)."""
    params: Any
    is_plain: bool
    """It has the form that a public request must have, whatever its method."""
    fault: str
    """Why it may not be forwarded even with a key; empty where it may."""

    @property
    def tool(self) -> str | None:
        """The tool that a `tools/call` names; `None` for other methods or where no name is a string."""
        if self.method != "tools/call" or not isinstance(self.params, dict):
            return None
        name = self.params.get("name")
        return name if isinstance(name, str) else None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a `tools/call`; empty where there are none."""
        arguments = self.params.get("arguments") if isinstance(self.params, dict) else None
        return arguments if isinstance(arguments, dict) else {}

    @property
    def task_id(self) -> str | None:
        """The task that a `tasks/…` request names; `None` for other methods or where no id is a string."""
        if not self.method.startswith("tasks/") or not isinstance(self.params, dict):
            return None
        task_id = self.params.get("taskId")
        return task_id if isinstance(task_id, str) else None

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The tasks that a request asks for: the one of a `tasks/…`, or those of a `subscriptions/listen`."""
        if self.method == _LISTEN and isinstance(self.params, dict):
            lists = (holder.get("taskIds") for holder in _listened(self.params))
            return tuple(id_ for ids in lists if isinstance(ids, list) for id_ in ids if isinstance(id_, str))
        task_id = self.task_id
        return () if task_id is None else (task_id,)

    @property
    def subject(self) -> str | None:
        """What `Mcp-Name` must equal: a tool's or prompt's name, a resource's URI, a task's id (SEP-2243, 2663)."""
        member = _SUBJECTS.get(self.method)
        subject = self.params.get(member) if member and isinstance(self.params, dict) else None
        return subject if isinstance(subject, str) else None

    def meta(self, name: str) -> Any:
        """A member of `params._meta`; `None` where absent."""
        meta = self.params.get("_meta") if isinstance(self.params, dict) else None
        return meta.get(name) if isinstance(meta, dict) else None


class Body(msgspec.Struct, frozen=True):
    """What one request's body holds: one message, or the messages of a batch (legal in 2025-03-26)."""

    messages: tuple[Message, ...]
    is_batch: bool


def read_body(body: bytes) -> Body:
    """Read the body of a POST.

    Raises `Unreadable`, with a message that names the fault, for what must be answered 400 with or without a key.
    """
    value = _read_json(body)
    if isinstance(value, list):
        if not value:
            raise Unreadable(INVALID_REQUEST, "Empty batch")
        if len(value) > MAX_BATCH:
            raise Unreadable(INVALID_REQUEST, f"Batch of more than {MAX_BATCH} messages")
        messages = tuple(_read_message(element) for element in value)
        ids = [id_as_json(message.id) for message in messages if message.kind == "request"]
        if len(set(ids)) != len(ids):
            # Their answers could not be told apart, so one of them would pass unread.
            raise Unreadable(INVALID_REQUEST, "Two requests of the batch have the same id")
        return Body(messages, True)
    return Body((_read_message(value),), False)


def is_public(body: Body, public_methods: Collection[str]) -> bool:
    """Whether the body is one public request, which needs no key, with no batch around it.

    The form is narrow on purpose: SDKs read an `initialize` whose id is `null`, `1.0` or `{}` as something else.
    """
    if body.is_batch:
        return False
    message = body.messages[0]
    return message.is_plain and message.method in public_methods


def id_as_json(id: object) -> str:  # noqa: A002
    """The JSON of an id, the form in which ids are compared and stored: `"1"` is not `1`."""
    return msgspec.json.encode(id).decode()


class _DuplicateMemberError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateMemberError
    return members


def _read_json(body: bytes) -> Any:
    if len(body) > MAX_CONTAINERS and _has_too_many_containers(body):
        raise Unreadable(PARSE_ERROR, f"Parse error: more than {MAX_CONTAINERS} objects and arrays")
    try:
        value = msgspec.json.decode(body)
        if msgspec.json.encode(value) != body:
            json.loads(body, object_pairs_hook=_unique)
    except _DuplicateMemberError:
        raise Unreadable(PARSE_ERROR, "Parse error: a member name stands twice in one object") from None
    except RecursionError:
        raise Unreadable(PARSE_ERROR, "Parse error: nested too deeply") from None
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise Unreadable(PARSE_ERROR, "Parse error: the body is not strict UTF-8 JSON") from None
    return value


def _has_too_many_containers(body: bytes) -> bool:
    """Whether to read the body would take too long; what stands in strings does not count."""
    if body.count(b"[") + body.count(b"{") <= MAX_CONTAINERS:
        return False
    outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{") > MAX_CONTAINERS


def _read_message(value: Any) -> Message:
    if not isinstance(value, dict):
        raise Unreadable(INVALID_REQUEST, "Invalid request: a message is an object")
    id_ = value.get("id")
    if value.get("jsonrpc") != "2.0":
        raise Unreadable(INVALID_REQUEST, 'Invalid request: "jsonrpc" must be "2.0"', _printable(id_))
    is_answer = "result" in value or "error" in value
    if "method" in value:
        method = value["method"]
        if is_answer:
            raise Unreadable(INVALID_REQUEST, "Invalid request: a method beside a result or an error", _printable(id_))
        if not isinstance(method, str):
            raise Unreadable(INVALID_REQUEST, "Invalid request: the method must be a string", _printable(id_))
        kind: Kind = "request" if "id" in value else "notification"
    elif is_answer and "id" in value:
        method, kind = "", "response"
    else:
        raise Unreadable(INVALID_REQUEST, "Invalid request: neither a method nor an answer", _printable(id_))
    has_usual_members = value.keys() <= _MEMBERS_OF_A_PUBLIC_REQUEST
    return Message(
        kind=kind,
        method=method,
        id=id_,
        params=value.get("params"),
        is_plain=has_usual_members and _is_plain(value, method, kind),
        fault=_fault(value, kind, method, id_, has_usual_members=has_usual_members),
    )


def _is_plain(value: dict[str, Any], method: str, kind: Kind) -> bool:
    if not isinstance(value.get("params"), dict | None):
        return False
    if method.startswith("notifications/"):
        return kind == "notification"
    return kind == "request" and type(value["id"]) in (str, int)


def _is_id(id_: Any) -> bool:
    """Whether every reader writes an id back as it was sent: some write `1` for `1.0`, and round large integers."""
    return id_ is None or isinstance(id_, str) or (type(id_) is int and -_MAX_INTEGER <= id_ <= _MAX_INTEGER)


def _fault(value: dict[str, Any], kind: Kind, method: str, id_: Any, *, has_usual_members: bool) -> str:
    if kind == "request" and not _is_id(id_):
        return "Invalid request: the id must be a string or an integer of at most 53 bits"
    if isinstance(id_, (bool, dict, list)):
        return "Invalid request: the id must be a string or a number"
    if not has_usual_members:
        # Parsers that fold case (Go's) would read `Method` as `method`.
        for name in value.keys() - _MEMBERS:
            if name.casefold() in _MEMBERS:
                return "Invalid request: member names that differ in case alone"
    params = value.get("params", _NO_PARAMS)
    if method == "tools/call" and isinstance(params, dict) and params.keys() <= _PARAMS_OF_A_CALL:
        return ""
    if not isinstance(params, (dict, list)):
        return "Invalid request: params must be an object or an array"
    if method not in _INSPECTED:
        if method.casefold() in _INSPECTED:
            return "Invalid request: a method that differs from a known one in case alone"
    elif isinstance(params, dict) and not params.keys() <= _INSPECTED_PARAMS:
        for name in params.keys() - _INSPECTED_PARAMS:
            if name.casefold() in _INSPECTED_FOLDED:
                return "Invalid request: names of params that differ in case alone"
    return _fault_of_params(params) if method in _INSPECTED else ""


def _fault_of_params(params: Any) -> str:
    """Why it could not be seen which tool or tasks the params of an inspected method name."""
    if not isinstance(params, dict):
        return "Invalid request: params of this method must be an object"
    if not isinstance(params.get("taskId"), str | None) or not isinstance(params.get("notifications"), dict | None):
        return "Invalid request: taskId must be a string, and notifications an object"
    for holder in _listened(params):
        if any(name != "taskIds" and name.casefold() == "taskids" for name in holder):
            return "Invalid request: names of params that differ in case alone"
        ids = holder.get("taskIds") or []
        if not isinstance(ids, list) or len(ids) > _MAX_TASKS or not all(isinstance(id_, str) for id_ in ids):
            return f"Invalid request: taskIds must be an array of at most {_MAX_TASKS} strings"
    return ""


def _listened(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Where the params of a `subscriptions/listen` may name tasks."""
    return [holder for holder in (params, params.get("notifications")) if isinstance(holder, dict)]


def _printable(id_: Any) -> Any:
    return id_ if isinstance(id_, (str, int, float)) and not isinstance(id_, bool) else None
