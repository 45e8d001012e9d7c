"""Reads JSON just far enough to see its shape.

Rules:
- What is small is decoded whole. Of what is large, lists become a `LongList`, which has the true length and only the
  first few elements, so that 2 MB of rows cost about a millisecond and not twenty.
- Nothing recurses deeper than `MAX_DEPTH`. What is too wide, too long or too deep is `TOO_MUCH`, which nobody counts.
"""

from __future__ import annotations

import enum
import secrets
import threading
from typing import Any

import msgspec

from gateway.metering.json import large_structure
from gateway.metering.json.values import TOO_MUCH, LongList

MAX_READ = 192 * 1024
"""Bytes of a value that is read here; larger ones are read by `outline`."""
MAX_WHOLE = 24 * 1024
"""Bytes of a value that is decoded whole (about 0.15 ms)."""
MAX_WHOLE_IN_ALL = 96 * 1024
"""Bytes that are decoded whole in all; after that, lists are counted without their first elements."""
MAX_ELEMENTS = 60_000
"""Elements of lists that are counted in all (about 30 ns each)."""
MAX_SAMPLED = 20_000
"""Elements of a list of which the first are looked at as well (about 60 ns each)."""
MAX_MEMBERS = 3_000
"""Members of one object (about 200 ns each)."""
MAX_DEPTH = 5
"""Levels of large values in large values."""
SAMPLE = 8
"""Elements of a long list that are looked at."""


class _Object(msgspec.Struct, gc=False):
    """Any object: its members are passed over at full speed."""


class _Array(msgspec.Struct, array_like=True, gc=False):
    """Any array."""


_seen = threading.local()


class _Member(enum.Enum):
    """Every name of a member is this one; the decoder asks for each name, so that it can be stopped."""

    ANY = secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _Member:
        _seen.left -= 1
        if _seen.left < 0:
            raise ValueError("too many members")
        return cls.ANY


_whole = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_members_counted = msgspec.json.Decoder(dict[_Member, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_objects = msgspec.json.Decoder(list[_Object])
_arrays = msgspec.json.Decoder(list[_Array])


def read(data: bytes | msgspec.Raw | str) -> Any:
    """The value in `data`, with long lists cut to `LongList` and what is beyond the bounds `TOO_MUCH`.

    Raises `ValueError` where `data` is not JSON, as far as it was looked at.
    """
    if len(memoryview(data) if isinstance(data, msgspec.Raw) else data) > MAX_READ:
        return large_structure.read(data if isinstance(data, str) else bytes(data))
    encoded = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    return _decode(encoded) if len(encoded) <= MAX_WHOLE else _Reader().value(encoded, 0)


def _decode(data: bytes) -> Any:
    try:
        return _whole.decode(data)
    except RecursionError:
        return TOO_MUCH


class _Reader:
    """Reads one large value within the bounds above."""

    def __init__(self) -> None:
        self._bytes_left = MAX_WHOLE_IN_ALL
        self._elements_left = MAX_ELEMENTS

    def value(self, data: bytes, depth: int) -> Any:
        start = data[:64].lstrip()[:1]
        if start not in (b"[", b"{"):
            return _decode(data)
        if len(data) <= MAX_WHOLE and len(data) <= self._bytes_left:
            self._bytes_left -= len(data)
            return _decode(data)
        if depth == MAX_DEPTH:
            return TOO_MUCH
        try:
            return self._list(data, depth) if start == b"[" else self._object(data, depth)
        except RecursionError:
            return TOO_MUCH

    def _object(self, data: bytes, depth: int) -> Any:
        if self._bytes_left < len(data) <= MAX_WHOLE or not _is_narrow(data):
            return TOO_MUCH
        members = _members.decode(data)
        # Smallest first, so that the order in which a server writes members decides nothing.
        ordered = sorted((len(bytes(value)), name) for name, value in members.items())
        return {name: self.value(bytes(members[name]), depth + 1) for _, name in ordered}

    def _list(self, data: bytes, depth: int) -> Any:
        total = self._count(data)
        if total is None:
            return TOO_MUCH
        if total > MAX_SAMPLED or self._bytes_left < MAX_WHOLE:
            return LongList([], total)
        sample = _elements.decode(data)[:SAMPLE]
        return LongList([self.value(bytes(one), depth + 1) for one in sample], total)

    def _count(self, data: bytes) -> int | None:
        """The number of elements of the list, or `None` where that would take too long to find."""
        inside = data[:256].lstrip()[1:].lstrip()[:1]
        if inside not in (b"{", b"["):
            return _count_scalars(data, inside)
        if data.count(inside) > self._elements_left:
            return None
        try:
            total = len((_objects if inside == b"{" else _arrays).decode(data))
        except msgspec.ValidationError:  # a mixed list
            return None
        self._elements_left -= total
        return total


def _is_narrow(data: bytes) -> bool:
    if data.count(b":") <= MAX_MEMBERS:
        return True
    _seen.left = MAX_MEMBERS
    try:
        _members_counted.decode(data)
    except msgspec.ValidationError:
        return False
    return True


def _count_scalars(data: bytes, inside: bytes) -> int | None:
    """The number of elements of a list of numbers or of strings, by its commas or its quotation marks."""
    if b"[" in data[data.index(b"[") + 1 :] or b"{" in data or b"\\" in data:
        return None
    if inside == b'"':
        strings, odd = divmod(data.count(b'"'), 2)
        between = data.count(b'","') + data.count(b'", "')
        return strings if not odd and strings - 1 in (between, data.count(b",")) else None
    return None if b'"' in data else data.count(b",") + 1
