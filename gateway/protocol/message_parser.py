"""Strict parser for the body of a POST.

The rules:

- The body must be strict JSON: no BOM, UTF-16, NaN, lone surrogate or trailing data. The values of `arguments` and of
  results may also be what JavaScript writes (`gateway.protocol.lenient_json`).
- A body that two JSON parsers could read differently is rejected: in particular, any object with a duplicate member
  name. A body that equals its own canonical encoding has none, so the typical compact body is checked by encoding it
  again; any other body is parsed a second time to look for duplicates.
- The parsed values are used for every decision, the original bytes are forwarded.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Literal

import msgspec

from gateway.protocol.errors import INVALID_REQUEST, PARSE_ERROR
from gateway.protocol.lenient_json import parse_lenient
from gateway.protocol.message import LISTEN, Body, Message, encode_id, listen_filters

MAX_CONTAINERS = 20_000
"""Maximum number of objects and arrays in a body; parsing that many takes about 10 ms."""
MAX_BATCH = 100
"""Maximum number of messages in a batch."""
_MAX_TASKS = 1000
"""Maximum number of tasks that one request names."""

_Kind = Literal["request", "notification", "response"]

_PUBLIC_REQUEST_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})
_MEMBERS = _PUBLIC_REQUEST_MEMBERS | {"result", "error"}
_TASK_METHODS = ("tasks/get", "tasks/result", "tasks/update", "tasks/cancel")
_INSPECTED_METHODS = frozenset({"tools/call", "tools/list", LISTEN, *_TASK_METHODS})
"""Methods whose params affect a decision of the gateway."""
_INSPECTED_PARAMS = frozenset({"name", "arguments", "_meta", "task", "taskId", "taskIds", "notifications"})
_INSPECTED_PARAMS_FOLDED = frozenset(name.casefold() for name in _INSPECTED_PARAMS)
_CALL_PARAMS = frozenset({"name", "arguments", "_meta"})
_NO_PARAMS: dict[str, Any] = {}
_MAX_INTEGER = 2**53 - 1
"""The largest integer that JSON parsers agree on (RFC 8259, section 6)."""


class MalformedMessage(ValueError):
    """The body is not a JSON-RPC message, or two parsers could read it differently.

    `code` is the JSON-RPC error code: -32700 for invalid JSON, -32600 for an invalid message. `id` is the id of the
    request, if it could be read.
    """

    def __init__(self, code: int, message: str, id: object = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.id = id


def parse_body(body: bytes) -> Body:
    """Parse the body of a POST. Raises `MalformedMessage`, which is answered with 400, with or without a key."""
    value, is_strict = _parse_json(body)
    if isinstance(value, list):
        if not value:
            raise MalformedMessage(INVALID_REQUEST, "Empty batch")
        if len(value) > MAX_BATCH:
            raise MalformedMessage(INVALID_REQUEST, f"Batch of more than {MAX_BATCH} messages")
        messages = tuple(_to_message(element, is_strict=is_strict) for element in value)
        ids = [encode_id(message.id) for message in messages if message.kind == "request"]
        if len(set(ids)) != len(ids):
            # Their responses would be indistinguishable, and one of them would pass uninspected.
            raise MalformedMessage(INVALID_REQUEST, "Two requests of the batch have the same id")
        return Body(messages, True)
    return Body((_to_message(value, is_strict=is_strict),), False)


class _DuplicateMemberError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateMemberError
    return members


def _parse_json(body: bytes) -> tuple[Any, bool]:
    """Return the value, and whether it is strict JSON."""
    if len(body) > MAX_CONTAINERS and _has_too_many_containers(body):
        raise MalformedMessage(PARSE_ERROR, f"Parse error: more than {MAX_CONTAINERS} objects and arrays")
    try:
        try:
            value = msgspec.json.decode(body)
        except (ValueError, msgspec.MsgspecError):
            return parse_lenient(body, _unique), False
        if msgspec.json.encode(value) != body:
            json.loads(body, object_pairs_hook=_unique)
    except _DuplicateMemberError:
        raise MalformedMessage(PARSE_ERROR, "Parse error: duplicate member name in an object") from None
    except RecursionError:
        raise MalformedMessage(PARSE_ERROR, "Parse error: nested too deeply") from None
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise MalformedMessage(PARSE_ERROR, "Parse error: the body is not strict UTF-8 JSON") from None
    return value, True


def _has_too_many_containers(body: bytes) -> bool:
    """Return True if parsing the body would take too long; brackets in strings do not count."""
    if body.count(b"[") + body.count(b"{") <= MAX_CONTAINERS:
        return False
    outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return outside.count(b"[") + outside.count(b"{") > MAX_CONTAINERS


def _to_message(value: Any, *, is_strict: bool) -> Message:
    if not isinstance(value, dict):
        raise MalformedMessage(INVALID_REQUEST, "Invalid request: a message must be an object")
    id_ = value.get("id")
    if value.get("jsonrpc") != "2.0":
        raise _invalid('"jsonrpc" must be "2.0"', id_)
    is_response = "result" in value or "error" in value
    if "method" in value:
        method = value["method"]
        if is_response:
            raise _invalid("a message must not have both a method and a result or an error", id_)
        if not isinstance(method, str):
            raise _invalid("the method must be a string", id_)
        kind: _Kind = "request" if "id" in value else "notification"
    elif is_response and "id" in value:
        method, kind = "", "response"
    else:
        raise _invalid("a message must have a method, or an id with a result or an error", id_)
    has_plain_members = value.keys() <= _PUBLIC_REQUEST_MEMBERS
    return Message(
        kind=kind,
        method=method,
        id=id_,
        params=value.get("params"),
        is_plain=is_strict and has_plain_members and _is_plain(value, method, kind),
        is_strict=is_strict,
        form_error=_find_form_error(value, kind, method, id_, has_plain_members=has_plain_members),
    )


def _invalid(error: str, id_: Any) -> MalformedMessage:
    is_printable = isinstance(id_, (str, int, float)) and not isinstance(id_, bool)
    return MalformedMessage(INVALID_REQUEST, f"Invalid request: {error}", id_ if is_printable else None)


def _is_plain(value: dict[str, Any], method: str, kind: _Kind) -> bool:
    if not isinstance(value.get("params"), dict | None):
        return False
    if method.startswith("notifications/"):
        return kind == "notification"
    return kind == "request" and type(value["id"]) in (str, int)


def _is_portable_id(id_: Any) -> bool:
    """Return True if every parser writes the id back as it was sent: some write `1` for `1.0`, or round integers."""
    return id_ is None or isinstance(id_, str) or (type(id_) is int and -_MAX_INTEGER <= id_ <= _MAX_INTEGER)


def _find_form_error(value: dict[str, Any], kind: _Kind, method: str, id_: Any, *, has_plain_members: bool) -> str:
    if kind == "request" and not _is_portable_id(id_):
        return "Invalid request: the id must be a string or an integer of at most 53 bits"
    if isinstance(id_, (bool, dict, list)):
        return "Invalid request: the id must be a string or a number"
    if not has_plain_members:
        # Parsers that ignore case, like Go's, would read `Method` as `method`.
        for name in value.keys() - _MEMBERS:
            if name.casefold() in _MEMBERS:
                return f"Invalid request: a member name differs from {name.casefold()!r} only in case"
    params = value.get("params", _NO_PARAMS)
    if method == "tools/call" and isinstance(params, dict):
        if kind != "request":
            # A server that runs it all the same answers under no id, or never.
            return "Invalid request: tools/call must have an id"
        if not isinstance(params.get("arguments"), dict | None):
            # Some servers would parse a string again.
            return "Invalid request: the arguments must be an object"
        if params.keys() <= _CALL_PARAMS:
            return ""
    if not isinstance(params, (dict, list)):
        return "Invalid request: params must be an object or an array"
    if method not in _INSPECTED_METHODS:
        if (folded := _fold(method)) in _INSPECTED_METHODS:
            return f"Invalid request: the method differs from {folded!r} only in case, white space or form"
    elif isinstance(params, dict) and not params.keys() <= _INSPECTED_PARAMS:
        for name in params.keys() - _INSPECTED_PARAMS:
            if name.casefold() in _INSPECTED_PARAMS_FOLDED:
                return "Invalid request: the name of a param differs from a known one only in case"
    return _find_form_error_of_params(params) if method in _INSPECTED_METHODS else ""


def _fold(method: str) -> str:
    """Return the method as the most lenient server might read it."""
    return "".join(filter(str.isprintable, unicodedata.normalize("NFKC", method))).replace(" ", "").casefold()


def _find_form_error_of_params(params: Any) -> str:
    """Return the reason why the params do not show which tool or tasks they name; empty if they do."""
    if not isinstance(params, dict):
        return "Invalid request: params of this method must be an object"
    if not isinstance(params.get("taskId"), str | None) or not isinstance(params.get("notifications"), dict | None):
        return "Invalid request: taskId must be a string, and notifications an object"
    for members in listen_filters(params):
        if any(name != "taskIds" and name.casefold() == "taskids" for name in members):
            return "Invalid request: the name of a param differs from a known one only in case"
        ids = members.get("taskIds") or []
        if not isinstance(ids, list) or len(ids) > _MAX_TASKS or not all(isinstance(id_, str) for id_ in ids):
            return f"Invalid request: taskIds must be an array of at most {_MAX_TASKS} strings"
    return ""
