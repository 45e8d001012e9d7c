"""Counts the records in a JSON value by its shape.

- Lists are counted; a stated number is used only if there is no list.
- Members that describe (`columns`, `warnings`, …) or wrap (`success`, `page`, …) are not records.
- A single object is a record only if the call reads a table, which the caller decides (`CountKind.OBJECT`).
- The order of members has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gateway.metering.announcements import announced_number
from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.json import columnar, groups, maps, objects, outcomes
from gateway.metering.json.object_members import MAX_WRAPPERS
from gateway.metering.json.object_shapes import ObjectShape
from gateway.metering.json.structure.partial_values import UNREAD, PartialList, length
from gateway.metering.metering_result import FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_schema_tool, tool_words

MAX_SHAPE_MEMBERS = 256
"""Members of an object; one with more is only counted as a map."""
MAX_COUNTED_OBJECTS = 80
"""Objects in which records are sought (about 50 µs each); beyond, their records are unknown."""
SAMPLE = 8
"""Elements of a list that are examined."""
_LISTS = frozenset((list, PartialList))
_CONTAINERS = _LISTS | {dict}
_OF_ERRORS = outcomes.OUTCOME_MEMBERS.union(objects.WRAPPER_MEMBERS, ("detail", "reason"))
"""Members of the report of an error."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ERROR_WORDS = ("error", "errors", "failed", "failures", "exceptions")


class ShapeCounter:
    """Counts the records in the values of one result.

    `method` is reported with the count. `count_text` and `count_blocks` count strings and content blocks in
    values, and take the depth as well. `declared` are the names in the output schema.
    """

    def __init__(
        self,
        arguments: ParsedArguments,
        method: str,
        count_text: Callable[[str, int], Count],
        count_blocks: Callable[[list[Any], int], Count],
        declared: frozenset[str] = frozenset(),
    ) -> None:
        self.arguments = arguments
        self.method = method
        self.declared = declared
        self._count_text = count_text
        self._count_blocks = count_blocks
        self._counts: dict[tuple[int, int], Count] = {}
        self._text_counts: dict[tuple[int, int], tuple[str, Count]] = {}

    def count(self, value: Any, depth: int = 0) -> Count:
        """Count the records in `value`, inside `depth` wrappers."""
        if depth > MAX_WRAPPERS or value is UNREAD:
            return UNKNOWN_COUNT
        if isinstance(value, list):
            return self.count_list(value, depth)
        if isinstance(value, dict):
            return self._count_object(value, depth)
        if isinstance(value, str):
            return self.count_text(value, depth + 1)
        return UNKNOWN_COUNT

    def count_text(self, text: str, depth: int) -> Count:
        """Count the records in a string of the value, once for all that ask."""
        key = (id(text), depth)
        if key not in self._text_counts:
            self._text_counts[key] = text, self._count_text(text, depth)  # the text stays, so its id is not reused
        return self._text_counts[key][1]

    def _counted(self, records: int) -> Count:
        return counted(records, self.method)

    def count_list(self, values: list[Any], depth: int) -> Count:
        """Count the records in a list, inside `depth` wrappers."""
        total, sample = length(values), values[:SAMPLE]
        if sample and all(isinstance(one, dict) for one in sample):
            return self._count_objects(values, depth)
        if sample and all(isinstance(one, list) for one in sample):
            if total == len(values) and _is_list_of_result_sets(values):
                return counted(sum(map(length, values)), self.method, (), (Sign.WHOLE_LIST, Sign.GROUPS)).at("*")
            if self._has_header(values):
                return counted(total - 1, self.method, (), (Sign.HEADER_LEFT_OUT,))
            return self._counted(total)
        if (inner := self._count_mixed(values, depth)) is not None:
            return inner
        if sample and self._is_one_row(values):
            return Count(1, self.method, CountKind.OBJECT)
        if sample and isinstance(sample[0], str) and total > 1 and announced_number(sample[0]) == total - 1:
            signs = (Sign.WHOLE_LIST, Sign.HEADER_LEFT_OUT, Sign.WITNESS_AGREES)
            return counted(total - 1, self.method, (), signs)
        if total == 1 and sample and isinstance(sample[0], str) and ("\n" in sample[0] or sample[0][:1] in ("[", "{")):
            inner = self.count_text(sample[0], depth + 1)
            return inner if inner.kind >= CountKind.COUNTED and Sign.MAP not in inner.signs else self._counted(1)
        is_cut = total > 1 and total == len(values) and values[-1] == "" and isinstance(sample[0], str)
        return self._counted(total - is_cut)  # lines, split at their ends

    def _count_mixed(self, values: list[Any], depth: int) -> Count | None:
        """Count a list of elements of several types: a header above rows, a value such as a cursor beside a list.

        `None` if all elements are of one type.
        """
        sample = values[:SAMPLE]
        is_container = [type(one) in _CONTAINERS for one in sample]
        if len(sample) == 2 and is_container == [False, True] and isinstance(sample[1], list):
            return self.count_list(sample[1], depth + 1)
        if len(sample) > 1 and isinstance(sample[0], dict) and all(isinstance(one, list) for one in sample[1:]):
            is_header = all(length(one) == len(sample[0]) for one in sample[1:])
            signs = (Sign.COMMON_LIST, Sign.HEADER_LEFT_OUT)
            return counted(length(values) - 1, self.method, (), signs) if is_header else UNKNOWN_COUNT
        return UNKNOWN_COUNT if any(is_container) and not all(is_container) else None

    def _is_one_row(self, values: list[Any]) -> bool:
        """Return True if a list of scalars is the only row of a statement that selects as many columns."""
        columns = self.arguments.columns
        return columns is not None and len(columns) > 1 and length(values) == len(columns)

    def _has_header(self, rows: list[Any]) -> bool:
        first = rows[0]
        if self.arguments.columns is not None:
            return tuple(str(cell).lower() for cell in first) == self.arguments.columns
        return _has_header_row(rows)

    def _count_objects(self, values: list[Any], depth: int) -> Count:
        total, sample = length(values), values[:SAMPLE]
        if all(map(objects.is_content_block, sample)):
            return self._count_blocks(values, depth + 1) if total == len(values) else UNKNOWN_COUNT
        if (columns := self._count_described_columns(values)) is not None:
            return columns
        if total == len(values) and columnar.frame_rows(values[0]) is not None:
            return counted(sum(columnar.frame_rows(one) or 0 for one in values), self.method, (), (Sign.GROUPS,))
        if (inner := groups.count(values, self.arguments, self.method)) is not None:
            return inner
        if total == 1:
            return self._count_only_object(values[0], depth)
        if all(groups.is_result_set(objects.normalize_members(one)) for one in sample):
            return self._count_result_sets(values, depth)
        if len({_holds_rows(one) for one in sample}) > 1:
            return UNKNOWN_COUNT
        rows = _rows_of_cells(values)
        return self._counted(total if rows is None else rows).with_signs(*self._signs(values))

    def _signs(self, values: list[Any]) -> tuple[Sign, ...]:
        """Return the signs for and against objects as records that their members give."""
        if self._has_selected_columns(values[0]):
            return (Sign.COLUMNS_AGREE,)
        return (Sign.MAY_BE_GROUPS,) if groups.may_be_groups(values, self.arguments.tool) else ()

    def _has_selected_columns(self, row: dict[str, Any]) -> bool:
        columns = self.arguments.columns
        return bool(columns) and {name.lower() for name in row} == set(columns or ())

    def _count_described_columns(self, values: list[Any]) -> Count | None:
        """Add up the columns of the tables that a tool describes."""
        if not is_schema_tool(self.arguments.tool) or length(values) != len(values):
            return None
        columns = [objects.described_columns(one) for one in values]
        return counted(sum(columns), self.method, (), (Sign.COLUMN_LIST,)) if all(columns) else None

    def _count_only_object(self, value: dict[str, Any], depth: int) -> Count:
        """Count the only object of a list: one record, unless it reports an error or a write, or wraps the records."""
        members = objects.normalize_members(value)
        if outcomes.is_failure(members) and not self._has_selected_columns(value):
            return UNKNOWN_COUNT if _may_be_row(members, self.arguments.tool) else FAILURE
        if members.keys() <= {"statementid", "messages"} and "statementid" in members:
            return counted(0, self.method, (), (Sign.NO_DATA,))
        shape = ObjectShape(value, members, depth, self)
        if shape.is_write_report():
            return self._counted(0)
        if shape.is_message() and (message := shape.count_message()).kind:
            return message
        if groups.is_result_set(members):
            return self._count_result_sets([value], depth)
        if (rows := columnar.count_columns(value)) is not None:
            return self._counted(rows)
        inner = self._count_object(value, depth + 1) if objects.is_wrapper_of_tables(members) else UNKNOWN_COUNT
        return inner if inner.kind is CountKind.COUNTED else self._counted(1).with_signs(*self._signs([value]))

    def _count_result_sets(self, values: list[Any], depth: int) -> Count:
        if length(values) != len(values) or not all(isinstance(one, dict) for one in values):
            return UNKNOWN_COUNT
        parts = [self._count_object(one, depth + 1) for one in values]
        known = [part.records for part in parts if part.records is not None]
        if len(known) != len(parts):
            return UNKNOWN_COUNT
        path = f"*.{parts[0].path}" if parts and parts[0].path else ""
        signs = (Sign.GROUPS, *parts[0].signs) if len(parts) > 1 else parts[0].signs if parts else ()
        return counted(sum(known), self.method, (), signs).at(path)

    def _count_object(self, value: dict[str, Any], depth: int) -> Count:
        """Count the records in an object, once for all that ask."""
        key = (id(value), depth)
        if key not in self._counts:
            if len(self._counts) >= MAX_COUNTED_OBJECTS:
                return UNKNOWN_COUNT
            self._counts[key] = UNKNOWN_COUNT
            self._counts[key] = self._count_new_object(value, depth)
        return self._counts[key]

    def _count_new_object(self, value: dict[str, Any], depth: int) -> Count:
        if len(value) > MAX_SHAPE_MEMBERS:
            total = maps.count(value, self.arguments.strings)
            return UNKNOWN_COUNT if total is None else self._counted(total)
        return ObjectShape(value, objects.normalize_members(value), depth, self).count()


def _may_be_row(members: objects.Members, tool: str) -> bool:
    """Return True if an object with an error in a list has values of its own, or the tool lists errors."""
    has_values = any(value is not None and name not in _OF_ERRORS for name, value in members.items())
    return has_values or not tool_words(tool).isdisjoint(_ERROR_WORDS)


def _has_header_row(rows: list[Any]) -> bool:
    """Return True if the first row names the columns: distinct strings, above a row with a value of another type."""
    first = rows[0]
    if length(rows) < 2 or not first or not all(isinstance(cell, str) and cell for cell in first):
        return False
    others = [row for row in rows[1:8] if isinstance(row, list)]
    return len(set(first)) == len(first) and any(
        _is_number(cell) and not _is_number(name) for row in others for name, cell in zip(first, row, strict=False)
    )


def _is_number(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or _NUMBER.fullmatch(cell[:32]) is not None)


def _rows_of_cells(values: list[Any]) -> int | None:
    """Count the rows of a sheet that is listed cell by cell; `None` if the objects are not cells."""
    if length(values) != len(values) or not all(
        isinstance(one, dict) and type(one.get("row")) is int for one in values
    ):
        return None
    is_cells = all(("column" in one or "col" in one) and ("value" in one or "address" in one) for one in values)
    return len({one["row"] for one in values}) if is_cells else None


def _is_list_of_result_sets(values: list[Any]) -> bool:
    """Return True if lists of objects are the results of several statements, as opposed to rows of named cells."""
    if not all(isinstance(one, list) for one in values):
        return False
    rows = [row for one in values for row in one[:1]]
    if not rows or not all(isinstance(row, dict) and not _is_cell(row) for row in rows):
        return False
    seconds = [(one[0], one[1]) for one in values if len(one) > 1]
    return not any(isinstance(second, dict) and first.keys().isdisjoint(second) for first, second in seconds)


def _is_cell(value: dict[str, Any]) -> bool:
    """Return True if an object is a value with its type: `{"longValue": 1}`."""
    return any(name.endswith("value") for name in map(normalize_name, value))


def _holds_rows(value: dict[str, Any]) -> bool:
    """Return True if an object has a list of rows."""
    if _LISTS.isdisjoint(map(type, value.values())):
        return False
    return any(isinstance(one, list) and normalize_name(name) in ("rows", "records") for name, one in value.items())
