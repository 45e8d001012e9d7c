"""Reads the structure of large JSON in a single pass of the decoder: member names and lengths of lists.

- Elements of lists are skipped, and so are members below `LEVELS` nested objects. About 1.2 ms for 1 MB.
- The decoder calls a hook for each member name and for each string or integer in a list; the hook stops it after
  `MAX_NAMES` and `MAX_SCALARS`. Everything else is bounded by counting characters before the pass, so it is short for
  any input.
"""

from __future__ import annotations

import enum
import secrets
import threading
from typing import Any

import msgspec

from gateway.metering.char_sampling import occurs_more_than
from gateway.metering.json.structure.partial_values import UNREAD, PartialList, SkippedArray, SkippedObject

MAX_SINGLE_PASS_BYTES = 2_500_000
"""Bytes of the JSON."""
MAX_NAMES = 96
"""Members of all objects."""
MAX_SCALARS = 1_000
"""Strings and integers in lists."""
MAX_ARRAYS = 100_000
"""Arrays in lists (about 25 ns each)."""
MAX_OBJECTS = 100_000
"""Objects; this many empty ones take as long as 1 MB of rows."""
MAX_ESCAPES = 400_000
"""Backslashes (about 4 ns each)."""
LEVELS = 4
"""Levels of nested objects whose members are read."""
SHORT = 8
"""Objects of a short list, which are read in a second pass: they may hold the records."""


class _State(threading.local):
    """State of the hooks during the current pass."""

    names: list[str]
    scalars_left: int


_state = _State()


class _Name(enum.Enum):
    """A member name, as a placeholder for its position in `_state.names`: msgspec calls `_missing_` in order."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        _state.names.append(str(value))
        if len(_state.names) > MAX_NAMES:
            raise ValueError("too many members")
        return _PLACEHOLDERS[len(_state.names) - 1]


def _make_placeholders(number: int) -> Any:
    make: Any = _Name
    return make("_Placeholder", {f"placeholder{at}": secrets.token_hex() for at in range(number)})


class _String(enum.Enum):
    """Any string in a list."""

    ANY = secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _String:
        _consume_scalar()
        return cls.ANY


class _Integer(enum.Enum):
    """Any integer in a list."""

    ANY = -secrets.randbits(60)

    @classmethod
    def _missing_(cls, value: object) -> _Integer:
        _consume_scalar()
        return cls.ANY


def _consume_scalar() -> None:
    _state.scalars_left -= 1
    if _state.scalars_left < 0:
        raise ValueError("too many elements")


# The values are random, so that no string in a result equals one: msgspec calls a hook only for unknown values.
_Placeholder: Any = _make_placeholders(MAX_NAMES)
_PLACEHOLDERS: list[Any] = list(_Placeholder)
_POSITIONS = {placeholder: position for position, placeholder in enumerate(_PLACEHOLDERS)}

_scalar: Any = str | int | float | bool | None


def _list_of(element: Any) -> Any:
    return list[element | _String | _Integer]


_item_member = _list_of(SkippedObject) | SkippedObject | _scalar
# An object in a short list: it may be a result set or a content block.
_ShortListItem: Any = msgspec.defstruct(
    "_ShortListItem", [(name, _item_member, None) for name in ("rows", "records", "type", "text")], gc=False
)


def _decoder(element: Any) -> msgspec.json.Decoder[Any]:
    rows = _list_of(element)
    level: Any = rows | (SkippedObject if element is SkippedArray else element) | _scalar
    for _ in range(LEVELS):
        level = rows | dict[_Placeholder, level] | _scalar
    return msgspec.json.Decoder(level)


_of_objects, _of_arrays, _of_short_list_items = map(_decoder, (SkippedObject, SkippedArray, _ShortListItem))


def read(data: bytes | str) -> Any:
    """Return the structure of `data`: objects with their member names, lists as `PartialList`, `UNREAD` below.

    `UNREAD` alone if a bound is exceeded. Raises `ValueError` if `data` is not JSON.
    """
    if (
        len(data) > MAX_SINGLE_PASS_BYTES
        or occurs_more_than(data, "{", MAX_OBJECTS)
        or occurs_more_than(data, "\\", MAX_ESCAPES)
    ):
        return UNREAD
    try:
        found = _pass(_of_objects, data)
        return _pass(_of_short_list_items, data) if _has_short_list(found) else found
    except msgspec.ValidationError as error:
        if "got `array`" not in str(error) or occurs_more_than(data, "[", MAX_ARRAYS):
            return UNREAD
    try:
        return _pass(_of_arrays, data)
    except msgspec.ValidationError:
        return UNREAD


def _pass(decoder: msgspec.json.Decoder[Any], data: bytes | str) -> Any:
    _state.names = []
    _state.scalars_left = MAX_SCALARS
    try:
        return _structure(decoder.decode(data))
    except RecursionError:
        return UNREAD


def _structure(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) <= SHORT and any(isinstance(one, _ShortListItem) for one in value):
            return [_structure(one) for one in value]
        return PartialList([_placeholder_for(value[0])] if value else [], len(value))
    if isinstance(value, dict):
        return {_state.names[_POSITIONS[name]]: _structure(inner) for name, inner in value.items()}
    if isinstance(value, _ShortListItem):
        members = {"rows": value.rows, "records": value.records, "type": value.type, "text": value.text}
        return {name: _structure(inner) for name, inner in members.items() if inner is not None}
    return UNREAD if isinstance(value, SkippedObject) else value


def _placeholder_for(value: Any) -> Any:
    if isinstance(value, _String | _Integer):
        return "" if isinstance(value, _String) else 0
    return [] if isinstance(value, SkippedArray) else {}


def _has_short_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_short_list, value.values()))
    return isinstance(value, PartialList) and value.length <= SHORT and value[:1] == [{}]
