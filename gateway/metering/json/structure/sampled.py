"""Reads the structure of a JSON value by sampling its lists.

- Small values inside it are decoded completely. Of a longer list, the elements are counted at the speed of the decoder,
  and the first few are read.
- Recursion stops at `MAX_SAMPLED_LEVELS`. A value that is too wide, too long or too deep is `UNREAD`.
"""

from __future__ import annotations

import enum
import secrets
import threading
from typing import Any

import msgspec

from gateway.metering.json.structure.partial_values import UNREAD, PartialList, SkippedArray, SkippedObject

MAX_WHOLE = 24 * 1024
"""Bytes of a value that is decoded completely (about 0.15 ms)."""
MAX_WHOLE_IN_ALL = 96 * 1024
"""Bytes of all values that are decoded completely; beyond, lists are counted without reading elements."""
MAX_ELEMENTS = 60_000
"""Elements of all lists that are counted (about 30 ns each)."""
MAX_SAMPLED = 20_000
"""Elements of a list whose first elements are read as well (about 60 ns each)."""
MAX_SAMPLED_MEMBERS = 3_000
"""Members of one object (about 200 ns each)."""
MAX_SAMPLED_LEVELS = 5
"""Levels of nested values beyond `MAX_WHOLE`."""
SAMPLE = 8
"""Elements of a long list that are read."""


_budget = threading.local()


class _Member(enum.Enum):
    """The name of any member, decoded through a hook that can stop the decoder.

    msgspec calls `_missing_` for each value that is not a member; the one member's value is random.
    """

    ANY = secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _Member:
        _budget.members -= 1
        if _budget.members < 0:
            raise ValueError("too many members")
        return cls.ANY


_whole = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_counted_members = msgspec.json.Decoder(dict[_Member, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_objects = msgspec.json.Decoder(list[SkippedObject])
_arrays = msgspec.json.Decoder(list[SkippedArray])


def read(data: bytes) -> Any:
    """Return the value in `data`, sampled. Raises `ValueError` if it is not JSON, as far as it was read."""
    return _Reader().value(data, 0)


def decode(data: bytes) -> Any:
    """Decode `data` completely; `UNREAD` if it is nested too deeply. Raises `ValueError` if it is not JSON."""
    try:
        return _whole.decode(data)
    except RecursionError:
        return UNREAD


class _Reader:
    """Reads one value, and keeps the budget for all values in it."""

    def __init__(self) -> None:
        self._bytes_left = MAX_WHOLE_IN_ALL
        self._elements_left = MAX_ELEMENTS

    def value(self, data: bytes, depth: int) -> Any:
        start = data[:64].lstrip()[:1]
        if start not in (b"[", b"{"):
            return decode(data)
        if len(data) <= MAX_WHOLE and len(data) <= self._bytes_left:
            self._bytes_left -= len(data)
            return decode(data)
        if depth == MAX_SAMPLED_LEVELS:
            return UNREAD
        try:
            return self._list(data, depth) if start == b"[" else self._object(data, depth)
        except RecursionError:
            return UNREAD

    def _object(self, data: bytes, depth: int) -> Any:
        if self._bytes_left < len(data) <= MAX_WHOLE or not _is_narrow(data):
            return UNREAD
        members = _members.decode(data)
        # Smallest first, so that the budget does not depend on the order of the members.
        ordered = sorted((len(bytes(value)), name) for name, value in members.items())
        return {name: self.value(bytes(members[name]), depth + 1) for _, name in ordered}

    def _list(self, data: bytes, depth: int) -> Any:
        total = self._count(data)
        if total is None:
            return UNREAD
        if total > MAX_SAMPLED or self._bytes_left < MAX_WHOLE:
            return PartialList([], total)
        sample = _elements.decode(data)[:SAMPLE]
        return PartialList([self.value(bytes(one), depth + 1) for one in sample], total)

    def _count(self, data: bytes) -> int | None:
        """Return the number of elements of a list; `None` if counting them would take too long."""
        inside = data[:256].lstrip()[1:].lstrip()[:1]
        if inside not in (b"{", b"["):
            return _count_scalars(data, inside)
        if data.count(inside) > self._elements_left:
            return None
        try:
            total = len((_objects if inside == b"{" else _arrays).decode(data))
        except msgspec.ValidationError:  # elements of several types
            return None
        self._elements_left -= total
        return total


def _is_narrow(data: bytes) -> bool:
    if data.count(b":") <= MAX_SAMPLED_MEMBERS:
        return True
    _budget.members = MAX_SAMPLED_MEMBERS
    try:
        _counted_members.decode(data)
    except msgspec.ValidationError:
        return False
    return True


def _count_scalars(data: bytes, inside: bytes) -> int | None:
    """Return the number of elements of a list of numbers or strings, by its commas or quotation marks."""
    if b"[" in data[data.index(b"[") + 1 :] or b"{" in data or b"\\" in data:
        return None
    if inside == b'"':
        strings, odd = divmod(data.count(b'"'), 2)
        between = data.count(b'","') + data.count(b'", "')
        return strings if not odd and strings - 1 in (between, data.count(b",")) else None
    return None if b'"' in data else data.count(b",") + 1
