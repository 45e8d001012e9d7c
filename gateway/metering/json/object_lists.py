"""Counts the records in the lists of a JSON object, and checks the number against those that the object states."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering.confidence import Sign
from gateway.metering.json import columnar, maps, objects, witnesses
from gateway.metering.json.groups import stated_groups
from gateway.metering.json.objects import WRAPPER_MEMBERS
from gateway.metering.json.outcomes import ObjectOutcome
from gateway.metering.json.signs import of_other_list
from gateway.metering.json.structure.partial_values import length
from gateway.metering.json.witnesses import Meaning, Witness
from gateway.metering.metering_result import DECLARED, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.vocabulary.members import (
    COLUMN_MEMBERS,
    ERROR_MEMBERS,
    NEVER_RECORDS,
    describes_columns,
    describes_records,
)
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import (
    has_read_verb,
    is_describing_tool,
    is_listing_or_describing_tool,
    is_plural_tool,
    is_schema_tool,
    is_statistics_tool,
    is_writing_tool,
)

_NEVER_ALONE = ERROR_MEMBERS | {"warnings", "warning"}
"""Members that hold no records even if there is no other."""
_WRITTEN = ("added", "created", "inserted", "updated", "deleted", "removed", "saved", "modified")
_LINE_METHODS = frozenset(("csv_text", "tsv_text", "lines_text", "names_text"))
"""Methods that may have counted a header line."""


class ObjectLists(ObjectOutcome):
    """The lists among the members of one object."""

    __slots__ = ()

    def _count_list(self, name: str, *signs: Sign) -> Count:
        """Count the list in the member with the normalized `name`."""
        if Sign.OTHER_LIST in signs:
            signs += tuple(of_other_list(name, self._members, is_listing=self._asks_for_list()))
        return self._under(name, self._parts.count_list(self._members[name], self._depth + 1), *signs)

    def _count_rows_member(self) -> Count | None:
        """Count the list under a common name for lists of records, preferably one that is not empty."""
        names = [name for name in self._row_names if isinstance(self._members[name], list) or self._is_unread(name)]
        if not names:
            return None
        full = [name for name in names if self._is_unread(name) or self._members[name]]
        for name in full:
            if self._is_unread(name):
                return UNKNOWN_COUNT
            if (found := self._count_full(name)) is not None:
                return found.with_signs(Sign.EMPTY_BESIDE_FULL) if len(full) < len(names) else found
        empty = [name for name in names if name not in full]
        if full or self._has_records_elsewhere():
            return None
        return self._under(empty[0], self._counted(0, Sign.COMMON_LIST))

    def _count_full(self, name: str) -> Count | None:
        """Count the list in the member with the common `name`; `None` if it is a property of the result."""
        members, rows = self._members, self._members[name]
        if name in ("rows", "records") and objects.table_member(members):
            return self._under(name, counted(length(rows), DECLARED, (), (Sign.DECLARED,)))
        if not isinstance(rows[0], dict | list):
            is_wrapped = self._asks_for_list() or self._is_wrapper(name) or self._states_length(name)
            if not (is_wrapped and self._is_only_list(name)):
                return None
        if isinstance(rows[0], list):
            return self._under(name, self._count_rows_of_cells(rows), Sign.COMMON_LIST)
        others = {other: value for other, value in members.items() if other != name and isinstance(value, list | dict)}
        names = objects.column_names(others, is_typed=False) if others else []
        has_header = bool(names) and objects.leaf_strings(rows[0]) == names
        if names and all(objects.count_cells(row) == len(names) for row in rows):
            signs = (Sign.COMMON_LIST, Sign.HEADER_LEFT_OUT) if has_header else (Sign.COMMON_LIST,)
            return self._under(name, self._counted(length(rows) - has_header, *signs))
        signs = (Sign.COMMON_LIST, Sign.SEVERAL_LISTS) if self._has_other_list(name) else (Sign.COMMON_LIST,)
        found = self._count_list(name, *signs)
        if has_header and found.records == length(rows) > 1:
            return msgspec.structs.replace(found, records=length(rows) - 1).with_signs(Sign.HEADER_LEFT_OUT)
        return found

    def _count_rows_of_cells(self, rows: list[Any]) -> Count:
        members = self._members
        if isinstance(columns := members.get("columns"), list):
            by_column = columnar.length_by_column(rows, length(columns))
            return self._counted(length(rows) - (rows[0] == columns) if by_column is None else by_column)
        if (inner := columnar.length_of_nested_lists(members)) is not None:
            return self._counted(inner, Sign.PARALLEL_LISTS, Sign.GROUPS)
        return self._parts.count_list(rows, self._depth + 1)

    def _count_other_lists(self) -> Count | None:
        """Count the lists under names that only this server uses."""
        members = self._members
        lists = {name: value for name, value in members.items() if isinstance(value, list)}
        if is_schema_tool(self._arguments.tool) and (columns := self._count_columns()) is not None:
            return columns
        named = [name for name, one in lists.items() if objects.are_of_tool(name, one, self._arguments.tool)]
        if named and not is_writing_tool(self._arguments.tool):
            return self._count_named_lists(named)  # `list_keys` returns `keys`
        custom = {
            name: one for name, one in lists.items() if not describes_records(name) or objects.are_messages(name, one)
        }
        custom = custom if any(custom.values()) or self._states_none() or not self._has_content() else {}
        if not custom and not is_describing_tool(self._arguments.tool):
            is_description = describes_columns if self._arguments.returns_rows else COLUMN_MEMBERS.__contains__
            lists = {name: value for name, value in lists.items() if not is_description(name)}
        lists = {name: value for name, value in lists.items() if name not in NEVER_RECORDS}
        lists = lists or self._only_list()
        of_objects = [name for name, value in (custom or lists).items() if value and isinstance(value[0], dict | list)]
        if members.get("id") or (len(of_objects) == 1 and maps.is_data_name(self._original(of_objects[0]))):
            return None  # a record with lists in it, or one entry of a map beside other members
        if len(of_objects) == 1:
            signs = [Sign.OTHER_LIST]
            signs += [Sign.EMPTY_BESIDE_FULL] if self._has_empty_list() else []
            signs += [Sign.DESCRIBING_TOOL] if self._is_of_one_thing() else []
            signs += [Sign.WRITTEN_LIST] if self._is_written(of_objects[0]) else []
            return None if custom and self._is_fact_sheet() else self._count_list(of_objects[0], *signs)
        is_described = is_listing_or_describing_tool(self._arguments.tool) or self._describes_a_table()
        if not custom and is_described and (columns := self._count_columns()) is not None:
            return columns
        if not custom and len(lists) == 1 and self._is_wrapper(only := next(iter(lists))):
            return self._count_list(only, Sign.OTHER_LIST)
        return self._count_parallel_lists(custom, of_objects) if custom else None

    def _only_list(self) -> dict[str, list[Any]]:
        """Return the list of objects that is the only member, or any list of a listing tool, except of errors."""
        name, value = next(iter(self._members.items()), ("", None))
        if not isinstance(value, list) or len(self._members) > 1 or name in _NEVER_ALONE:
            return {}
        return {name: value} if self._asks_for_list() or objects.is_list_of_objects(value) else {}

    def _count_named_lists(self, names: list[str]) -> Count:
        """Count the lists with the names of what the tool returns; an empty one only if there is no other."""
        full = [name for name in names if self._members[name]]
        if len(full) > 1 and all(isinstance(self._members[name][0], dict) for name in full):
            total = sum(length(self._members[name]) for name in full)
            return self._under("*", self._counted(total, Sign.NAMED_LIST, Sign.SUM))
        if not full and self._has_records_elsewhere():
            return UNKNOWN_COUNT
        return self._count_list((full or names)[0], Sign.NAMED_LIST)

    def _describes_a_table(self) -> bool:
        """Return True if the columns of a table, with their types, are all that an object lists."""
        lists = [
            value
            for name, value in self._members.items()
            if isinstance(value, list) and (name not in NEVER_RECORDS or name in COLUMN_MEMBERS)
        ]
        is_typed = bool(objects.column_names({"columns": lists[0]})) if len(lists) == 1 else False
        return is_typed and self._arguments.returns_rows is None

    def _is_written(self, name: str) -> bool:
        return name.startswith(_WRITTEN) and not has_read_verb(self._arguments.tool)

    def _is_of_one_thing(self) -> bool:
        """Return True if the tool describes one thing: `get_info`, but not `describe_groups`."""
        return is_describing_tool(self._arguments.tool) and not is_plural_tool(self._arguments.tool)

    def _count_parallel_lists(self, custom: dict[str, list[Any]], of_objects: list[str]) -> Count | None:
        """Add up several lists of objects; count lists of scalars as columns if they have the same length."""
        rest = {name: value for name, value in self._members.items() if name not in custom}
        if not all(isinstance(value, dict) or self._is_wrapper_member(name, value) for name, value in rest.items()):
            return None
        counts = [one.number for one in witnesses.find(self._members, "") if one.meaning is Meaning.COUNT]
        if not any(custom.values()) and any(counts):
            return None
        if of_objects or not any(custom.values()):
            total = sum(length(custom[name]) for name in of_objects)
            is_alone = not any(value not in (None, {}, []) for value in rest.values())
            signs = (Sign.SUM, *(() if is_alone else (Sign.SEVERAL_LISTS,))) if of_objects else (Sign.EMPTY_LIST,)
            return self._under("*", self._counted(total, *signs))
        lengths = {length(value) for value in custom.values()}
        is_alone = not any(isinstance(value, dict) for value in rest.values())
        is_one_each = lengths == {1} and len(custom) > 1 and not self._arguments.tables_read
        if len(lengths) != 1 or not is_alone or is_one_each:
            return None
        if len(custom) == 1:
            only = next(iter(custom))
            return self._count_list(only, Sign.OTHER_LIST, *((Sign.WRITTEN_LIST,) if self._is_written(only) else ()))
        return self._under("*", self._counted(lengths.pop(), Sign.PARALLEL_LISTS))

    def _count_columns(self) -> Count | None:
        """Count the columns in a description of a table."""
        members = self._members
        name = next((one for one in ("columns", "fields", "columnnames", "properties") if one in members), "")
        columns = members.get(name)
        if not isinstance(columns, list) and is_schema_tool(self._arguments.tool):
            described = objects.described_columns(self._value)
            return self._under(name or "schema", self._counted(described, Sign.COLUMN_LIST)) if described else None
        if not isinstance(columns, list) or not columns:
            return None
        if is_statistics_tool(self._arguments.tool) and not objects.has_types({"columns": columns}):
            return None
        is_description = isinstance(columns[0], dict) and is_describing_tool(self._arguments.tool)
        if not is_description and not members.keys() <= WRAPPER_MEMBERS:
            return None
        return self._under(name, self._counted(length(columns), Sign.COLUMN_LIST))

    def _count_described_tables(self) -> Count | None:
        """Count the columns of the call's tables, or the records in them, by their names."""
        tables = self._arguments.tables_named
        if not tables or not all(name.lower() in tables and isinstance(one, dict) for name, one in self._value.items()):
            return None
        columns = [objects.described_columns(one) for one in self._value.values()]
        if all(columns):
            return self._counted(sum(columns), Sign.COLUMN_LIST).at("*")
        parts = [self._parts.count(one, self._depth + 1) for one in self._value.values()]
        is_known = len(parts) == 1 and parts[0].kind is CountKind.COUNTED
        return parts[0].under("*") if is_known else UNKNOWN_COUNT

    def _checked(self, found: Count) -> Count:
        """Compare a count with the numbers that the object states; prefer a list with the stated length."""
        if found.kind is not CountKind.COUNTED or found.records is None or found.witness:
            return found
        list_name = member_of(found)
        if not (stated := witnesses.find(self._members, list_name)):
            return self._with_groups(list_name) or found
        if is_describing_tool(self._arguments.tool):
            stated = [one for one in stated if one.number == found.records or one.meaning is Meaning.RETURNED]
        records, numbers = found.records, {one.number for one in stated}
        if Sign.HEADER_LEFT_OUT in found.signs and records + 1 in numbers and records not in numbers:
            records += 1
            signs = tuple(one for one in found.signs if one is not Sign.HEADER_LEFT_OUT)
            found = msgspec.structs.replace(found, records=records, signs=signs)
        is_alike = numbers == {records}
        is_page = not is_alike and witnesses.is_page(self._members, records)
        verdict = witnesses.judge(stated, records, self._members, is_page=is_page, is_sum=Sign.SUM in found.signs)
        if verdict.sign is not Sign.WITNESS_AGREES and (groups := self._with_groups(list_name)) is not None:
            return groups
        if verdict.sign is None:
            return found
        is_less = any(one.number + 1 == records and one.meaning >= Meaning.COUNT for one in stated)
        if verdict.sign is Sign.WITNESS_DISAGREES and is_less and found.method in _LINE_METHODS:
            found = msgspec.structs.replace(found, records=records - 1)
            return found.stated_by(self._original(verdict.name), Sign.HEADER_LEFT_OUT, Sign.WITNESS_AGREES)
        if verdict.sign is Sign.WITNESS_DISAGREES and (other := self._with_length(stated, list_name)) is not None:
            return other
        return found.stated_by(self._original(verdict.name), verdict.sign)

    def _count_stated_list(self) -> Count | None:
        """Count the only list, of any values, whose length the object states."""
        stated = {one.number: one.name for one in witnesses.find(self._members, "") if one.meaning >= Meaning.TOTAL}
        names = [
            name
            for name, value in self._members.items()
            if isinstance(value, list) and value and length(value) in stated and self._may_be_all(name, value[0])
        ]
        if len(names) != 1:
            return None
        found = self._count_list(names[0], Sign.OTHER_LIST)
        return found.stated_by(self._original(stated[length(self._members[names[0]])]), Sign.WITNESS_AGREES)

    def _with_groups(self, list_name: str) -> Count | None:
        """Return the count of the lists in a list of groups if it is stated."""
        if (groups := stated_groups(self._members, list_name)) is None:
            return None
        name, total, witness = groups
        found = self._under(list_name, self._counted(total, Sign.GROUPS).under(name).under("*"))
        return found.stated_by(self._original(witness), Sign.WITNESS_AGREES)

    def _with_length(self, stated: list[Witness], list_name: str) -> Count | None:
        """Return the count of the only list of records whose length is stated as the number of returned records."""
        numbers = {one.number: one.name for one in stated if one.meaning >= Meaning.COUNT}
        names = [
            name
            for name, value in self._members.items()
            if isinstance(value, list) and not describes_records(name) and name != list_name and value
        ]
        fitting = [one for one in names if length(self._members[one]) in numbers]
        if len(fitting) != 1:
            return None
        found = self._count_list(fitting[0], Sign.SEVERAL_LISTS)
        if found.records not in numbers:
            return None
        return found.stated_by(self._original(numbers[found.records]), Sign.WITNESS_AGREES)


def member_of(found: Count) -> str:
    """Return the normalized name of the member that holds the records."""
    return normalize_name(found.path.partition(".")[0])
