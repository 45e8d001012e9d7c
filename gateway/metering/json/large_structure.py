"""Reads large JSON in one pass, at the speed of the decoder: names of members, and how long the lists are.

Rules:
- Elements of lists are passed over, members below `LEVELS` objects too. About 1.2 ms for 1 MB.
- The decoder asks a hook for each name and for each text or number in a list, and the hook stops it after `MAX_NAMES`
  and `MAX_SCALARS`; what else is in them is bounded by counting signs. So whatever the bytes are, the pass
  is short.
"""

from __future__ import annotations

import enum
import secrets
import threading
from typing import Any

import msgspec

from gateway.metering.json.values import TOO_MUCH, LongList
from gateway.metering.text.char_sampling import has_more

MAX_BYTES = 2_500_000
"""Bytes."""
MAX_NAMES = 96
"""Members in all."""
MAX_SCALARS = 1_500
"""Texts and whole numbers in lists."""
MAX_ARRAYS = 100_000
"""Arrays in lists (about 25 ns each)."""
MAX_OBJECTS = 100_000
"""Objects; so many empty ones take as long as a megabyte of rows."""
MAX_ESCAPES = 400_000
"""Backslashes (about 4 ns each)."""
LEVELS = 4
"""Objects in objects whose members are named."""
SHORT = 8
"""Objects in a list that are looked into, in a second pass: they may hold the records."""


class _State(threading.local):
    """What the hooks have seen in the decoding that goes on."""

    names: list[str]
    scalars_left: int


_state = _State()


class _Name(enum.Enum):
    """Stands for the name of a member; which one is known from the order in which the decoder asked."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        _state.names.append(str(value))
        if len(_state.names) > MAX_NAMES:
            raise ValueError("too many members")
        return _PLACES[len(_state.names) - 1]


def _make_places(number: int) -> Any:
    make: Any = _Name
    return make("_Place", {f"place{at}": secrets.token_hex() for at in range(number)})


class _Text(enum.Enum):
    """Any text in a list."""

    ANY = secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _Text:
        _spend_scalar()
        return cls.ANY


class _Number(enum.Enum):
    """Any whole number in a list."""

    ANY = -secrets.randbits(60)

    @classmethod
    def _missing_(cls, value: object) -> _Number:
        _spend_scalar()
        return cls.ANY


def _spend_scalar() -> None:
    _state.scalars_left -= 1
    if _state.scalars_left < 0:
        raise ValueError("too many elements")


class _Object(msgspec.Struct, gc=False):
    """Any object."""


class _Array(msgspec.Struct, array_like=True, gc=False):
    """Any array."""


# The values are secret, so that no text in a result is one of them: the hooks are asked for what is no value only.
_Place: Any = _make_places(MAX_NAMES)
_PLACES: list[Any] = list(_Place)
_NUMBERS = {place: number for number, place in enumerate(_PLACES)}

_scalar: Any = str | int | float | bool | None


def _list_of(element: Any) -> Any:
    return list[element | _Text | _Number]


_within = _list_of(_Object) | _Object | _scalar
# An object in a short list: it may be a set of rows, or a content block.
_Set: Any = msgspec.defstruct("_Set", [(name, _within, None) for name in ("rows", "records", "type", "text")], gc=False)


def _decoder(element: Any) -> msgspec.json.Decoder[Any]:
    rows = _list_of(element)
    level: Any = rows | (_Object if element is _Array else element) | _scalar
    for _ in range(LEVELS):
        level = rows | dict[_Place, level] | _scalar
    return msgspec.json.Decoder(level)


_of_objects, _of_arrays, _of_sets = map(_decoder, (_Object, _Array, _Set))


def read(data: bytes | str) -> Any:
    """The outline of the value in `data`: objects with the names of their members, lists as `LongList`, `TOO_MUCH`
    below.

    Raises `ValueError` where `data` is not JSON; `TOO_MUCH` is also the answer where it is beyond the bounds.
    """
    if len(data) > MAX_BYTES or has_more(data, "{", MAX_OBJECTS) or has_more(data, "\\", MAX_ESCAPES):
        return TOO_MUCH
    try:
        found = _pass(_of_objects, data)
        return _pass(_of_sets, data) if _has_short_list(found) else found
    except msgspec.ValidationError as error:
        if "got `array`" not in str(error) or has_more(data, "[", MAX_ARRAYS):
            return TOO_MUCH
    try:
        return _pass(_of_arrays, data)
    except msgspec.ValidationError:
        return TOO_MUCH


def _pass(decoder: msgspec.json.Decoder[Any], data: bytes | str) -> Any:
    _state.names = []
    _state.scalars_left = MAX_SCALARS
    try:
        return _outline(decoder.decode(data))
    except RecursionError:
        return TOO_MUCH


def _outline(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) <= SHORT and any(isinstance(one, _Set) for one in value):
            return [_outline(one) for one in value]
        return LongList([_stand_in(value[0])] if value else [], len(value))
    if isinstance(value, dict):
        return {_state.names[_NUMBERS[place]]: _outline(inner) for place, inner in value.items()}
    if isinstance(value, _Set):
        members = {"rows": value.rows, "records": value.records, "type": value.type, "text": value.text}
        return {name: _outline(inner) for name, inner in members.items() if inner is not None}
    return TOO_MUCH if isinstance(value, _Object) else value


def _stand_in(value: Any) -> Any:
    if isinstance(value, _Text | _Number):
        return "" if isinstance(value, _Text) else 0
    return [] if isinstance(value, _Array) else {}


def _has_short_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_short_list, value.values()))
    return isinstance(value, LongList) and value.length <= SHORT and value[:1] == [{}]
