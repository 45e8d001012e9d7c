"""What the fields of a key may hold, checked in one place for the API, the command line and the store.

`None` always means "without limit"; an empty list of tools, tables or addresses allows none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

MAX_NAME = 100
MAX_ITEMS = 100
MAX_ITEM = 200
MAX_LABELS = 20
MAX_LIMIT = 10**12
MAX_TIME = 253_402_300_799_000
"""The end of the year 9999, in milliseconds since the epoch."""


class InvalidField(ValueError):
    """A field of a key cannot hold what it was given; `field` names it, `problem` says what it takes."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


def checked_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as they are stored. Raises `InvalidField` for the first that cannot be."""
    result = {}
    for name, value in changes.items():
        check = _CHECKS.get(name)
        if check is None:
            raise InvalidField(name, "is no field of a key that can be set")
        try:
            result[name] = check(value)
        except (TypeError, ValueError) as error:
            raise InvalidField(name, str(error)) from None
    return result


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise ValueError(f"must be a text of 1 to {longest} printable characters")
    return value.strip()


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _items(check: Callable[[str], str]) -> Callable[[Any], tuple[str, ...]]:
    def items(value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise ValueError(f"must be a list of at most {MAX_ITEMS} texts")
        return tuple(dict.fromkeys(check(_text(item, MAX_ITEM)) for item in value))

    return items


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("takes addresses and networks such as 192.0.2.7 or 10.0.0.0/8") from None
    return value


def _limit(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return value


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_TIME:
        raise ValueError("must be a time in milliseconds since the epoch")
    return value


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        raise ValueError(f"must be an object of at most {MAX_LABELS} texts")
    return {_text(name, MAX_NAME): _text(text, MAX_ITEM) for name, text in value.items()}


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "key_name": lambda value: _text(value, MAX_NAME),
    "expires_at": _optional(_time),
    "allowed_tools": _optional(_items(str)),
    "allowed_tables": _optional(_items(str)),
    "allowed_ips": _optional(_items(_network)),
    "rate_limit_per_minute": _optional(_limit),
    "records_per_day": _optional(_limit),
    "calls_per_day": _optional(_limit),
    "labels": _labels,
}
