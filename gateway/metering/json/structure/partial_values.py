"""JSON values that were not decoded completely."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class PartialList(list[Any]):
    """The first elements of a list of `length` elements, or placeholders of their type."""

    def __init__(self, sample: list[Any], length: int) -> None:
        super().__init__(sample)
        self.length = length


class SkippedObject(msgspec.Struct, gc=False):
    """Any object, decoded without its members, at the speed of the decoder."""


class SkippedArray(msgspec.Struct, array_like=True, gc=False):
    """Any array, decoded without its elements."""


class _Unread:
    """The type of `UNREAD`."""


UNREAD: Final = _Unread()
"""Stands for a value that was not decoded; no record is counted in it."""


def length(values: list[Any]) -> int:
    """Return the number of elements of a list or of the list that a `PartialList` stands for."""
    return values.length if isinstance(values, PartialList) else len(values)
