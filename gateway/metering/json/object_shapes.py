"""Counts the records in a JSON object by its members.

A member is one of these: a list or wrapper under a common name (`ROW_MEMBERS`); a member that only describes
or surrounds the records (`objects.WRAPPER_MEMBERS`); or one under a name that only this server uses.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gateway.metering.arguments import ParsedArguments
from gateway.metering.json import maps, objects
from gateway.metering.json.objects import WRAPPER_MEMBERS, Members
from gateway.metering.json.partial_values import UNREAD, length
from gateway.metering.metering_result import DECLARED, FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.vocabulary.members import (
    AFFECTED_MEMBERS,
    COLUMN_MEMBERS,
    COUNT_MEMBERS,
    ENVELOPE_MEMBERS,
    METADATA_MEMBERS,
    RETURNED_COUNT_MEMBERS,
    ROW_COUNT_MEMBERS,
    ROW_MEMBERS,
    TABLE_MEMBERS,
)
from gateway.metering.vocabulary.tools import (
    is_describing_tool,
    is_listing_or_describing_tool,
    is_named_after_tool,
    is_overwriting_tool,
    is_writing_tool,
)

MAX_WRAPPERS = 5
"""Wrappers around the records."""


class CountsParts(Protocol):
    """Counts the records in the parts of an object; `depth` is the number of wrappers around a part."""

    arguments: ParsedArguments
    method: str

    def count(self, value: Any, depth: int) -> Count: ...

    def count_list(self, values: list[Any], depth: int) -> Count: ...

    def count_text(self, text: str, depth: int) -> Count: ...


class ObjectShape:
    """One object, inside `depth` wrappers, with its members by their normalized names."""

    __slots__ = ("_arguments", "_depth", "_members", "_parts", "_value")

    def __init__(self, value: dict[str, Any], members: Members, depth: int, parts: CountsParts) -> None:
        self._value = value
        self._members = members
        self._depth = depth
        self._parts = parts
        self._arguments = parts.arguments

    def _counted(self, records: int) -> Count:
        return counted(records, self._parts.method)

    def count(self) -> Count:
        """Count the records in the object."""
        members = self._members
        if objects.is_failure(members):
            return FAILURE
        if True in (members.get("success"), members.get("ok")) and is_overwriting_tool(self._arguments.tool):
            return self._counted(0) if self._arguments.returns_rows is None else self._count_members()
        found = self._count_members()
        tables = objects.named_tables(members) or found.tables
        if found.kind < CountKind.STATED and (number := self._stated_number()) is not None:
            found = Count(number, DECLARED, CountKind.STATED)
        return msgspec.structs.replace(found, tables=tables) if tables else found

    def _stated_number(self) -> int | None:
        """Return the stated number of returned records; `None` for a describing tool, which states what exists."""
        return None if is_describing_tool(self._arguments.tool) else objects.stated_number(self._members)

    def _count_members(self) -> Count:
        members, value = self._members, self._value
        if (rows := self._count_rows_member()) is not None:
            return rows
        if self.is_write_report():
            return self._counted(0)
        wrapped = self._count_wrapped()
        if wrapped.kind >= CountKind.STATED:
            return wrapped
        # A list of rows is more reliable than an object next to it whose member names may be data.
        total = None if is_describing_tool(self._arguments.tool) else maps.count(value, self._arguments.strings)
        is_map = maps.is_map(value, self._arguments.strings) or not any(isinstance(one, list) for one in value.values())
        if is_map and total is not None:
            return self._counted(total)
        if (found := self._count_other_lists()) is not None:
            return found
        if total is not None:
            return self._counted(total)
        if (found := self._count_inner()) is not None:
            return found
        if members.keys() <= WRAPPER_MEMBERS | set(ROW_MEMBERS):
            return wrapped if wrapped.kind else self.count_message()
        if objects.is_acknowledgement(members):
            if (message := self.count_message()).kind:
                return message
            if is_writing_tool(self._arguments.tool):
                return self._counted(0)
        if wrapped.kind:
            return wrapped
        if is_writing_tool(self._arguments.tool) and True in (members.get("success"), members.get("ok")):
            return self._counted(0)
        if objects.is_summary(members):
            return UNKNOWN_COUNT
        return self._count_single()

    def _count_single(self) -> Count:
        """Count an object as one record; if it states a number of rows, only a map with as many entries is counted."""
        members, value = self._members, self._value
        sizes = {value for name, value in members.items() if name in ROW_COUNT_MEMBERS and type(value) is int}
        if not sizes:
            return Count(1, self._parts.method, CountKind.OBJECT)
        map_sizes = [len(one) for one in value.values() if isinstance(one, dict) and maps.holds_only_objects(one)]
        return self._counted(map_sizes[0]) if len(map_sizes) == 1 and map_sizes[0] in sizes else UNKNOWN_COUNT

    def _count_rows_member(self) -> Count | None:
        """Count the list under a common name for lists of records."""
        members = self._members
        for name in ROW_MEMBERS:
            rows = members.get(name)
            if rows is UNREAD:
                return UNKNOWN_COUNT
            if not isinstance(rows, list):
                continue
            if rows and name in ("rows", "records") and objects.table_member(members):
                return counted(length(rows), DECLARED)
            if rows and not isinstance(rows[0], dict | list) and not self._is_wrapper(name):
                continue
            if rows and isinstance(rows[0], list):
                return self._count_rows_of_cells(rows)
            return self._parts.count_list(rows, self._depth + 1)
        return None

    def _count_rows_of_cells(self, rows: list[Any]) -> Count:
        members = self._members
        if isinstance(columns := members.get("columns"), list):
            return self._counted(length(rows) - (rows[0] == columns))
        if (inner := objects.length_of_nested_lists(members)) is not None:
            return self._counted(inner)
        return self._parts.count_list(rows, self._depth + 1)

    def _count_wrapped(self) -> Count:
        """Count what is inside a member that wraps the whole result."""
        members = self._members
        best = UNKNOWN_COUNT
        for name in ROW_MEMBERS:
            inner = members.get(name)
            if type(inner) in (int, float) and self._arguments.has_one_column and self._is_wrapper(name):
                return self._counted(1)
            if (
                inner is None
                and name in members
                and 0 in (members.get(one) for one in COUNT_MEMBERS | RETURNED_COUNT_MEMBERS)
            ):
                return self._counted(0)
            if isinstance(inner, dict) or (isinstance(inner, str) and self._is_wrapper(name)):
                found = self._parts.count(inner, self._depth + 1)
                best = max(best, found, key=lambda one: one.kind)
        return best

    def _is_wrapper(self, name: str) -> bool:
        """Return True if all members except `name` only wrap it, or repeat arguments of the call."""
        members = self._members
        return all(
            other == name or other in ROW_MEMBERS or self._is_wrapper_member(other, value)
            for other, value in members.items()
        )

    def _is_wrapper_member(self, name: str, value: Any) -> bool:
        return name in WRAPPER_MEMBERS or (isinstance(value, str) and value in self._arguments.strings)

    def _count_other_lists(self) -> Count | None:
        """Count the lists under names that only this server uses."""
        members = self._members
        lists = {name: value for name, value in members.items() if isinstance(value, list)}
        for name, value in lists.items():
            if is_named_after_tool(name, self._arguments.tool) and not is_writing_tool(self._arguments.tool):
                return self._parts.count_list(value, self._depth + 1)  # `list_keys` returns `keys`
        custom = {name: value for name, value in lists.items() if name not in METADATA_MEMBERS}
        if not custom and not is_describing_tool(self._arguments.tool):
            lists = {name: value for name, value in lists.items() if name not in COLUMN_MEMBERS}
        of_objects = [value for value in (custom or lists).values() if value and isinstance(value[0], dict | list)]
        if custom and "id" in members:
            return None  # a record with lists in it
        if len(of_objects) == 1:
            return None if custom and self._is_fact_sheet() else self._parts.count_list(of_objects[0], self._depth + 1)
        if not custom and is_listing_or_describing_tool(self._arguments.tool):
            return self._count_columns()
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

    def _is_fact_sheet(self) -> bool:
        """Return True if a describing tool returns several scalars, so that a list is one property among others."""
        facts = [
            name
            for name, value in self._members.items()
            if not isinstance(value, list | dict) and name not in WRAPPER_MEMBERS
        ]
        return is_describing_tool(self._arguments.tool) and len(facts) > 1

    def _count_columns(self) -> Count | None:
        """Count the columns in a description of a table."""
        members = self._members
        columns = members.get("columns", members.get("fields", members.get("columnnames")))
        if not isinstance(columns, list) or not columns:
            return None
        is_description = isinstance(columns[0], dict) and is_describing_tool(self._arguments.tool)
        if not is_description and not members.keys() <= WRAPPER_MEMBERS:
            return None
        return self._counted(length(columns))

    def _count_inner(self) -> Count | None:
        """Count the only object or multi-line string under a name that only this server uses."""
        custom = [
            value
            for name, value in self._members.items()
            if not self._is_wrapper_member(name, value) or (name in TABLE_MEMBERS and _is_multiline(value))
        ]
        inner = [value for value in custom if isinstance(value, dict) or _is_multiline(value)]
        if len(inner) != 1 or len(custom) != 1:
            return None
        found = self._parts.count(inner[0], self._depth + 1)
        return found if found.kind is CountKind.COUNTED else None

    def count_message(self) -> Count:
        """Return 0 records if a member holds a message that there are none, or that the call failed."""
        for name in ("message", "info", "status", "note"):
            if isinstance(text := self._members.get(name), str):
                found = self._parts.count_text(text, MAX_WRAPPERS)
                if found.kind >= CountKind.COUNTED:
                    return found
        return UNKNOWN_COUNT

    def is_message(self) -> bool:
        """Return True if an object holds only a message about the call, and not a selected column named `message`."""
        return self._members.keys() <= ENVELOPE_MEMBERS and "message" not in (self._arguments.columns or ())

    def is_write_report(self) -> bool:
        """Return True if an object reports the effect of a write, and not selected columns with such names."""
        members = self._members
        if self._arguments.returns_rows or AFFECTED_MEMBERS.isdisjoint(members):
            return False
        return members.keys() <= AFFECTED_MEMBERS | ENVELOPE_MEMBERS | COUNT_MEMBERS


def _is_multiline(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value
