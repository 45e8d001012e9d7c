"""JSON that JavaScript writes and strict parsers refuse: lone surrogates, and numbers beyond the range of a double.

It is accepted in the values of `arguments` (and `argument` and `context`, which are those of `completion/complete`) and
of results, which are forwarded and not decided on. Their parsed form is made strict, so that it can be stored and
encoded like any other: a lone surrogate becomes U+FFFD, and an infinite number the largest finite one. Everything else,
and all member names, must be strict.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LENIENT_PARAMS = ("arguments", "argument", "context")

Members = list[tuple[str, Any]]


def parse_lenient(body: bytes, to_object: Callable[[Members], dict[str, Any]]) -> Any:
    """Parse a POST body; `to_object` makes an object of its members. Raises `ValueError` and `RecursionError`."""
    value = json.loads(body.decode(), object_pairs_hook=to_object, parse_constant=_refuse)
    messages = value if isinstance(value, list) else [value]
    lenient = [(members, name, members[name]) for message in messages for members, name in _lenient_members(message)]
    for members, name, _ in lenient:
        members[name] = None
    # Raises `ValueError` for what is not strict.
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    for members, name, values in lenient:
        members[name] = _strict(values)
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _lenient_members(message: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the objects and the names of their members whose values need not be strict."""
    if not isinstance(message, dict):
        return
    if "result" in message:
        yield message, "result"
    params = message.get("params")
    if isinstance(params, dict):
        yield from ((params, name) for name in _LENIENT_PARAMS if name in params)


def _strict(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return min(max(value, -sys.float_info.max), sys.float_info.max)
    if isinstance(value, list):
        return [_strict(element) for element in value]
    if isinstance(value, dict):
        "".join(value).encode()
        return {name: _strict(member) for name, member in value.items()}
    return value
