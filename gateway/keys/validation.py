"""Validation of the fields of a key and of an owner's policy, shared by the admin API, the command line and the stores.

`None` means "no limit", and so does an empty object of limits. An empty list of tools, tables or addresses allows none;
in a policy it is invalid.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from gateway.keys.record import Restrictions
from gateway.keys.secret import contains_key

JOINERS = "\u200c\u200d"
"""Invisible characters inside emoji and inside words of Persian and of Indic languages, which texts may contain."""
MAX_NAME_LENGTH = 100
MAX_ITEMS = 100
MAX_ITEM_LENGTH = 200
MAX_LABELS = 20
MAX_LIMIT = 10**12
MAX_EXPIRES_DAYS = 3650
MAX_TIMESTAMP = 253_402_300_799_000
"""The end of the year 9999, in milliseconds since the epoch."""


class InvalidField(ValueError):
    """A field has an invalid value; `field` is its name, `problem` says which values are valid."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


def validate_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the form in which they are stored. Raises `InvalidField` for the first invalid one."""
    return _validate(values, _VALIDATORS)


def validate_policy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an owner's policy in the form in which they are stored; `None` clears a field.

    `defaults` becomes a dictionary of its valid fields. Raises `InvalidField` for the first invalid one; a field of
    `defaults` is named `defaults.calls_per_day`.
    """
    return _validate(values, _POLICY_VALIDATORS)


def _validate(values: Mapping[str, Any], validators: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    result = {}
    for name, value in values.items():
        validate = validators.get(name)
        if validate is None:
            raise InvalidField(name, "is not a field that can be set")
        try:
            result[name] = validate(value)
        except InvalidField as error:
            raise InvalidField(f"{name}.{error.field}", error.problem) from None
        except (TypeError, ValueError) as error:
            raise InvalidField(name, str(error)) from None
    return result


def _text(value: Any, max_length: int) -> str:
    visible = value.translate(dict.fromkeys(map(ord, JOINERS))) if isinstance(value, str) else ""
    if not isinstance(value, str) or not visible.strip() or len(value) > max_length or not visible.isprintable():
        raise ValueError(f"must be a string of 1 to {max_length} printable characters")
    if contains_key(value):
        raise ValueError("must not contain an API key: it is stored and shown as it is")
    return value.strip()


def _optional(validate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else validate(value)


def _items(validate: Callable[[str], str]) -> Callable[[Any], tuple[str, ...]]:
    def validate_items(value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
            raise ValueError(f"must be a list of at most {MAX_ITEMS} strings")
        return tuple(dict.fromkeys(validate(_text(item, MAX_ITEM_LENGTH)) for item in value))

    return validate_items


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be addresses or networks such as 192.0.2.7 or 10.0.0.0/8") from None
    return value


def _limit(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return value


def _days(most: int) -> Callable[[Any], int]:
    def validate_days(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"must be a whole number of days from 1 to {most}")
        return value

    return validate_days


def _flag(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value is True


def _not_empty(validate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def validate_items(value: Any) -> Any:
        items = validate(value)
        if items == ():
            raise ValueError("must not be empty: it would allow nothing")
        return items

    return validate_items


def _defaults(value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise ValueError("must be an object of fields of a new key")
    return None if value is None else _validate(value, _DEFAULTS_VALIDATORS)


def _timestamp(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_TIMESTAMP:
        raise ValueError("must be a timestamp in milliseconds since the epoch")
    return value


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        raise ValueError(f"must be an object of at most {MAX_LABELS} strings")
    if any("=" in name for name in value):
        raise ValueError("must have names without =, which ends the name in a filter such as team=red")
    return {_text(name, MAX_NAME_LENGTH): _text(text, MAX_ITEM_LENGTH) for name, text in value.items()}


def _tool_rate_limits(value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise ValueError(f"must be an object of at most {MAX_ITEMS} globs with calls a minute, such as run_* and 10")
    return {_text(glob, MAX_ITEM_LENGTH): _limit(calls) for glob, calls in value.items()} or None


_VALIDATORS: Mapping[str, Callable[[Any], Any]] = {
    "key_name": lambda value: _text(value, MAX_NAME_LENGTH),
    "expires_at": _optional(_timestamp),
    "allowed_tools": _optional(_items(str)),
    "allowed_tables": _optional(_items(str)),
    "allowed_ips": _optional(_items(_network)),
    "rate_limit_per_minute": _optional(_limit),
    "records_per_day": _optional(_limit),
    "calls_per_day": _optional(_limit),
    "records_per_month": _optional(_limit),
    "calls_per_month": _optional(_limit),
    "tool_rate_limits": _optional(_tool_rate_limits),
    "max_concurrent": _optional(_limit),
    "read_only": _flag,
    "labels": _labels,
}

_POLICY_RESTRICTIONS: Mapping[str, Callable[[Any], Any]] = {
    **{name: _VALIDATORS[name] for name in Restrictions.__struct_fields__},
    **{name: _not_empty(_VALIDATORS[name]) for name in ("allowed_tools", "allowed_tables", "allowed_ips")},
}
_DEFAULTS_VALIDATORS: Mapping[str, Callable[[Any], Any]] = {
    **_POLICY_RESTRICTIONS,
    "expires_days": _optional(_days(MAX_EXPIRES_DAYS)),
}
_POLICY_VALIDATORS: Mapping[str, Callable[[Any], Any]] = {
    **_POLICY_RESTRICTIONS,
    "max_keys": _optional(_limit),
    "max_key_days": _optional(_days(MAX_EXPIRES_DAYS)),
    "defaults": _defaults,
}
