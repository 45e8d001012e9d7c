"""JSON values that were not read whole."""

from __future__ import annotations

from typing import Any, Final


class LongList(list[Any]):
    """A list of `length` elements of which the first few are here, or stand-ins that have their kind."""

    def __init__(self, sample: list[Any], length: int) -> None:
        super().__init__(sample)
        self.length = length


class _TooMuch:
    """Stands for a value that was not looked at."""


TOO_MUCH: Final = _TooMuch()


def length(values: list[Any]) -> int:
    """How many elements the list has, also where only the first are here."""
    return values.length if isinstance(values, LongList) else len(values)
