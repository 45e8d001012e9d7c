"""Counts the records in a JSON value by its shape.

- Lists are counted; a stated number is used only if there is no list.
- Members that describe (`columns`, `warnings`, …) or wrap (`success`, `page`, …) are not records.
- A single object is a record only if the call reads a table, which the caller decides (`Confidence.OBJECT`).
- The order of members has no effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.metering import vocabulary
from gateway.metering.arguments import ParsedArguments
from gateway.metering.json import maps, objects
from gateway.metering.json.objects import WRAPPER_MEMBERS, Members
from gateway.metering.json.partial_values import UNREAD, length
from gateway.metering.metering_result import DECLARED, FAILURE, NOTHING, Confidence, Count, counted

MAX_DEPTH = 5
"""Wrappers around the records."""
MAX_MEMBERS = 256
"""Members of an object; one with more is only counted as a map."""
SAMPLE = 8
"""Elements of a list that are examined."""


class ShapeCounter:
    """Counts the records in the values of one result.

    `method` is reported with the count. `count_text` and `count_blocks` count strings and content blocks in
    values, and take the depth as well.
    """

    def __init__(
        self,
        arguments: ParsedArguments,
        method: str,
        count_text: Callable[[str, int], Count],
        count_blocks: Callable[[list[Any], int], Count],
    ) -> None:
        self._arguments = arguments
        self._method = method
        self._count_text = count_text
        self._count_blocks = count_blocks

    def count(self, value: Any, depth: int = 0) -> Count:
        """Count the records in `value`, inside `depth` wrappers."""
        if depth > MAX_DEPTH or value is UNREAD:
            return NOTHING
        if isinstance(value, list):
            return self._count_list(value, depth)
        if isinstance(value, dict):
            return self._count_object(value, depth)
        if isinstance(value, str):
            return self._count_text(value, depth + 1)
        return NOTHING

    def _counted(self, records: int) -> Count:
        return counted(records, self._method)

    def _count_list(self, values: list[Any], depth: int) -> Count:
        total, sample = length(values), values[:SAMPLE]
        if sample and all(isinstance(one, dict) for one in sample):
            return self._count_objects(values, depth)
        if sample and all(isinstance(one, list) for one in sample):
            return self._counted(total - self._has_header(values))
        if sample and self._is_one_row(values):
            return Count(1, self._method, Confidence.OBJECT)
        if total == 1 and sample and isinstance(sample[0], str) and "\n" in sample[0]:
            inner = self._count_text(sample[0], depth + 1)
            return inner if inner.confidence >= Confidence.COUNTED else self._counted(1)
        return self._counted(total)

    def _is_one_row(self, values: list[Any]) -> bool:
        """Return True if a list of scalars is the only row of a statement that selects as many columns."""
        columns = self._arguments.columns
        return columns is not None and len(columns) > 1 and length(values) == len(columns)

    def _has_header(self, rows: list[Any]) -> bool:
        first = rows[0]
        if self._arguments.columns is not None:
            return tuple(str(cell).lower() for cell in first) == self._arguments.columns
        return objects.has_header_row(rows)

    def _count_objects(self, values: list[Any], depth: int) -> Count:
        total, sample = length(values), values[:SAMPLE]
        if all(map(objects.is_content_block, sample)):
            return self._count_blocks(values, depth + 1) if total == len(values) else NOTHING
        if total == 1:
            return self._count_only_object(values[0], depth)
        if all(objects.is_result_set(_members(one)) for one in sample):
            return self._count_result_sets(values, depth)
        rows = objects.rows_of_cells(values)
        return self._counted(total if rows is None else rows)

    def _count_only_object(self, value: dict[str, Any], depth: int) -> Count:
        """Count the only object of a list: one record, unless it reports an error or a write, or wraps the records."""
        members = _members(value)
        if objects.is_failure(members):
            return FAILURE
        if self._is_write_report(members):
            return self._counted(0)
        if self._is_message(members) and (message := self._count_message(members)).confidence:
            return message
        if objects.is_result_set(members):
            return self._count_result_sets([value], depth)
        if (rows := maps.count_columns(value)) is not None:
            return self._counted(rows)
        inner = self._count_object(value, depth + 1) if objects.is_wrapper_of_tables(members) else NOTHING
        return inner if inner.confidence is Confidence.COUNTED else self._counted(1)

    def _count_result_sets(self, values: list[Any], depth: int) -> Count:
        if length(values) != len(values) or not all(isinstance(one, dict) for one in values):
            return NOTHING
        parts = [self._count_object(one, depth + 1) for one in values]
        known = [part.records for part in parts if part.records is not None]
        return self._counted(sum(known)) if len(known) == len(parts) else NOTHING

    def _count_object(self, value: dict[str, Any], depth: int) -> Count:
        if len(value) > MAX_MEMBERS:
            total = maps.count(value, self._arguments.strings)
            return NOTHING if total is None else self._counted(total)
        members = _members(value)
        if objects.is_failure(members):
            return FAILURE
        if True in (members.get("success"), members.get("ok")) and vocabulary.is_overwriting_tool(self._arguments.tool):
            return (
                self._counted(0) if self._arguments.returns_rows is None else self._count_members(value, members, depth)
            )
        found = self._count_members(value, members, depth)
        tables = objects.declared_tables(members) or found.tables
        if found.confidence < Confidence.DECLARED and (number := self._stated_number(members)) is not None:
            found = Count(number, DECLARED, Confidence.DECLARED)
        return msgspec.structs.replace(found, tables=tables) if tables else found

    def _stated_number(self, members: Members) -> int | None:
        """Return the stated number of returned records; `None` for a describing tool, which states what exists."""
        return None if vocabulary.is_describing_tool(self._arguments.tool) else objects.declared_number(members)

    def _count_members(self, value: dict[str, Any], members: Members, depth: int) -> Count:
        if (rows := self._count_rows_member(members, depth)) is not None:
            return rows
        if self._is_write_report(members):
            return self._counted(0)
        wrapped = self._count_wrapped(members, depth)
        if wrapped.confidence >= Confidence.DECLARED:
            return wrapped
        # A list of rows is more reliable than an object next to it whose member names may be data.
        total = (
            None if vocabulary.is_describing_tool(self._arguments.tool) else maps.count(value, self._arguments.strings)
        )
        is_map = maps.is_map(value, self._arguments.strings) or not any(isinstance(one, list) for one in value.values())
        if is_map and total is not None:
            return self._counted(total)
        if (found := self._count_other_lists(members, depth)) is not None:
            return found
        if total is not None:
            return self._counted(total)
        if (found := self._count_inner(members, depth)) is not None:
            return found
        if members.keys() <= WRAPPER_MEMBERS | set(vocabulary.ROW_MEMBERS):
            return wrapped if wrapped.confidence else self._count_message(members)
        if objects.is_acknowledgement(members):
            if (message := self._count_message(members)).confidence:
                return message
            if vocabulary.is_writing_tool(self._arguments.tool):
                return self._counted(0)
        if wrapped.confidence:
            return wrapped
        if vocabulary.is_writing_tool(self._arguments.tool) and True in (members.get("success"), members.get("ok")):
            return self._counted(0)
        if objects.is_summary(members):
            return NOTHING
        sizes = {
            value for name, value in members.items() if name in vocabulary.ROW_COUNT_MEMBERS and type(value) is int
        }
        if not sizes:
            return Count(1, self._method, Confidence.OBJECT)
        map_sizes = [len(one) for one in value.values() if isinstance(one, dict) and maps.holds_only_objects(one)]
        return self._counted(map_sizes[0]) if len(map_sizes) == 1 and map_sizes[0] in sizes else NOTHING

    def _count_rows_member(self, members: Members, depth: int) -> Count | None:
        """Count the list under a common name for lists of records."""
        for name in vocabulary.ROW_MEMBERS:
            rows = members.get(name)
            if rows is UNREAD:
                return NOTHING
            if not isinstance(rows, list):
                continue
            if rows and name in ("rows", "records") and objects.table_member(members):
                return counted(length(rows), DECLARED)
            if rows and not isinstance(rows[0], dict | list) and not self._is_wrapper(members, name):
                continue
            if rows and isinstance(rows[0], list):
                return self._count_rows_of_cells(rows, members, depth)
            return self._count_list(rows, depth + 1)
        return None

    def _count_rows_of_cells(self, rows: list[Any], members: Members, depth: int) -> Count:
        if isinstance(columns := members.get("columns"), list):
            return self._counted(length(rows) - (rows[0] == columns))
        if (inner := objects.length_of_nested_lists(members)) is not None:
            return self._counted(inner)
        return self._count_list(rows, depth + 1)

    def _count_wrapped(self, members: Members, depth: int) -> Count:
        """Count what is inside a member that wraps the whole result."""
        best = NOTHING
        for name in vocabulary.ROW_MEMBERS:
            inner = members.get(name)
            if type(inner) in (int, float) and self._arguments.has_one_column and self._is_wrapper(members, name):
                return self._counted(1)
            if (
                inner is None
                and name in members
                and 0 in (members.get(one) for one in vocabulary.COUNT_MEMBERS | vocabulary.RETURNED_COUNT_MEMBERS)
            ):
                return self._counted(0)
            if isinstance(inner, dict) or (isinstance(inner, str) and self._is_wrapper(members, name)):
                found = self.count(inner, depth + 1)
                best = max(best, found, key=lambda one: one.confidence)
        return best

    def _is_wrapper(self, members: Members, name: str) -> bool:
        """Return True if all members except `name` only wrap it, or repeat arguments of the call."""
        return all(
            other == name or other in vocabulary.ROW_MEMBERS or self._is_wrapper_member(other, value)
            for other, value in members.items()
        )

    def _is_wrapper_member(self, name: str, value: Any) -> bool:
        return name in WRAPPER_MEMBERS or (isinstance(value, str) and value in self._arguments.strings)

    def _count_other_lists(self, members: Members, depth: int) -> Count | None:
        """Count the lists under names that only this server uses."""
        lists = {name: value for name, value in members.items() if isinstance(value, list)}
        for name, value in lists.items():
            if vocabulary.is_named_after_tool(name, self._arguments.tool) and not vocabulary.is_writing_tool(
                self._arguments.tool
            ):
                return self._count_list(value, depth + 1)  # `list_keys` returns `keys`
        custom = {name: value for name, value in lists.items() if name not in vocabulary.METADATA_MEMBERS}
        if not custom and not vocabulary.is_describing_tool(self._arguments.tool):
            lists = {name: value for name, value in lists.items() if name not in vocabulary.COLUMN_MEMBERS}
        of_objects = [value for value in (custom or lists).values() if value and isinstance(value[0], dict | list)]
        if custom and "id" in members:
            return None  # a record with lists in it
        if len(of_objects) == 1:
            return None if custom and self._is_fact_sheet(members) else self._count_list(of_objects[0], depth + 1)
        if not custom and vocabulary.is_listing_or_describing_tool(self._arguments.tool):
            return self._count_columns(members)
        rest = {name: value for name, value in members.items() if name not in custom}
        is_wrapped = all(
            isinstance(value, dict) or self._is_wrapper_member(name, value) for name, value in rest.items()
        )
        if not custom or not is_wrapped:
            return None
        if of_objects or not any(custom.values()):
            return self._counted(sum(map(length, of_objects)))
        lengths = {length(value) for value in custom.values()}
        is_alone = not any(isinstance(value, dict) for value in rest.values())
        if (
            len(lengths) != 1
            or not is_alone
            or (lengths == {1} and len(custom) > 1 and not self._arguments.tables_read)
        ):
            return None
        return self._counted(lengths.pop())

    def _is_fact_sheet(self, members: Members) -> bool:
        """Return True if a describing tool returns several scalars, so that a list is one property among others."""
        facts = [
            name
            for name, value in members.items()
            if not isinstance(value, list | dict) and name not in WRAPPER_MEMBERS
        ]
        return vocabulary.is_describing_tool(self._arguments.tool) and len(facts) > 1

    def _count_columns(self, members: Members) -> Count | None:
        """Count the columns in a description of a table."""
        columns = members.get("columns", members.get("fields", members.get("columnnames")))
        if not isinstance(columns, list) or not columns:
            return None
        is_description = isinstance(columns[0], dict) and vocabulary.is_describing_tool(self._arguments.tool)
        if not is_description and not members.keys() <= WRAPPER_MEMBERS:
            return None
        return self._counted(length(columns))

    def _count_inner(self, members: Members, depth: int) -> Count | None:
        """Count the only object or multi-line string under a name that only this server uses."""
        custom = [
            value
            for name, value in members.items()
            if not self._is_wrapper_member(name, value) or (name in vocabulary.TABLE_MEMBERS and _is_multiline(value))
        ]
        inner = [value for value in custom if isinstance(value, dict) or _is_multiline(value)]
        if len(inner) != 1 or len(custom) != 1:
            return None
        found = self.count(inner[0], depth + 1)
        return found if found.confidence is Confidence.COUNTED else None

    def _count_message(self, members: Members) -> Count:
        for name in ("message", "info", "status", "note"):
            if isinstance(text := members.get(name), str):
                found = self._count_text(text, MAX_DEPTH)
                if found.confidence >= Confidence.COUNTED:
                    return found
        return NOTHING

    def _is_message(self, members: Members) -> bool:
        """Return True if an object holds only a message about the call, and not a selected column named `message`."""
        return members.keys() <= vocabulary.ENVELOPE_MEMBERS and "message" not in (self._arguments.columns or ())

    def _is_write_report(self, members: Members) -> bool:
        """Return True if an object reports the effect of a write, and not selected columns with such names."""
        if self._arguments.returns_rows or vocabulary.AFFECTED_MEMBERS.isdisjoint(members):
            return False
        return members.keys() <= vocabulary.AFFECTED_MEMBERS | vocabulary.ENVELOPE_MEMBERS | vocabulary.COUNT_MEMBERS


def _is_multiline(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def _members(value: dict[str, Any]) -> Members:
    return {vocabulary.normalize(name): value[name] for name in sorted(value)}
