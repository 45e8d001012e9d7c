"""Counts the rows in values that are listed by column: parallel lists, data frames, maps by row number."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gateway.metering.json.structure.partial_values import length

_ROW_NUMBER_OR_DATE = re.compile(r"\d[\d:T. +Z-]*\Z")


def frame_rows(value: Any) -> int | None:
    """Return the number of rows of a data frame that lists its values by column; `None` if it is something else."""
    schema, data = (value.get(name) for name in ("schema", "data")) if isinstance(value, dict) else (None, None)
    if not isinstance(schema, dict) or not isinstance(data, dict):
        return None
    fields, columns = schema.get("fields"), data.get("values")
    if not isinstance(fields, list) or not isinstance(columns, list) or length(fields) != length(columns):
        return None
    return _common_length(columns) if columns else 0


def holds_frames(value: dict[str, Any]) -> bool:
    """Return True if an object has a list of data frames, which may be empty."""
    frames = value.get("frames")
    return isinstance(frames, list) and (not frames or frame_rows(frames[0]) is not None)


def count_columns(value: dict[str, Any]) -> int | None:
    """Count the rows in an object of columns, each a map by row number or date; `None` if it is something else."""
    columns = list(value.values())
    if len(columns) < 2 or not all(isinstance(one, dict) and one for one in columns):
        return None
    keys = set(columns[0])
    is_alike = all(set(one) == keys for one in columns) and all(map(_ROW_NUMBER_OR_DATE.match, keys))
    return len(keys) if is_alike else None


def are_columns(value: dict[str, Any]) -> bool:
    """Return True if an object holds only lists of values, two or more, of the same length."""
    lists = [one for one in value.values() if isinstance(one, list) and one and not isinstance(one[0], dict | list)]
    return 1 < len(lists) == len(value) and len(set(map(length, lists))) == 1 and length(lists[0]) > 1


def length_of_nested_lists(members: dict[str, Any]) -> int | None:
    """Return the number of values in parallel lists of lists: `{"ids": [[1, 2]], "documents": [["a", "b"]]}`.

    There is a list for each of several queries only beside ids.
    """
    nested = [value for value in members.values() if isinstance(value, list) and value and isinstance(value[0], list)]
    if len(nested) < 2 or (length(nested[0]) != 1 and "ids" not in members):
        return None
    lengths = {tuple(length(one) if isinstance(one, list) else None for one in value) for value in nested}
    values = lengths.pop()
    return sum(one or 0 for one in values) if not lengths and None not in values else None


def length_by_column(lists: list[Any], columns: int) -> int | None:
    """Return the number of rows in lists of the values of each of the `columns`; `None` if they may be rows."""
    total = _common_length(lists)
    return total if length(lists) == columns != total else None


def length_of_columns(members: dict[str, Any]) -> int | None:
    """Return the number of rows of an object with a list or map for each column; `None` if it is something else."""
    total = _common_length(members.values())
    return count_columns(members) if total is None else total


def _common_length(values: Iterable[Any]) -> int | None:
    """Return the length of lists that are equally long; `None` if they are not, or for other values."""
    lengths = {length(value) if isinstance(value, list) else None for value in values}
    return lengths.pop() if len(lengths) == 1 else None
