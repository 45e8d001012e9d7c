"""The records in a JSON value, by its shape.

Rules:
- A list that is there is counted; a number in the result is believed only where there is no list.
- Members that describe (`columns`, `warnings`, …) and members that wrap (`success`, `page`, …) are no records.
- One object is a record only where the call reads a table; that is for the caller to say (`Grade.OBJECT`).
- The order of members decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.metering import maps, names
from gateway.metering.arguments import Request
from gateway.metering.metered import DECLARED, FAILURE, NOTHING, Count, Grade, counted, plain_table
from gateway.metering.values import TOO_MUCH, length

MAX_DEPTH = 5
"""Wrappers around the records that are opened."""
MAX_TABLE_NAME = 256

_WRAPPING = names.ENVELOPE | names.ABOUT | names.COUNTS | names.RETURNED | names.TOTALS | names.AFFECTED | names.ERRORS

Members = dict[str, Any]
"""Members of an object by their plain names."""


class Shapes:
    """Counts the records in values of one result."""

    def __init__(
        self,
        request: Request,
        method: str,
        count_text: Callable[[str, int], Count],
        count_blocks: Callable[[list[Any], int], Count],
    ) -> None:
        self._request = request
        self._method = method
        self._count_text = count_text
        self._count_blocks = count_blocks

    def count(self, value: Any, depth: int = 0) -> Count:
        """The records in `value`, which lies in `depth` wrappers."""
        if depth > MAX_DEPTH or value is TOO_MUCH:
            return NOTHING
        if isinstance(value, list):
            return self._list(value, depth)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, str):
            return self._count_text(value, depth + 1)
        return NOTHING

    def _counted(self, records: int) -> Count:
        return counted(records, self._method)

    def _list(self, values: list[Any], depth: int) -> Count:
        total, sample = length(values), values[:8]
        if sample and all(isinstance(one, dict) for one in sample):
            return self._objects(values, depth)
        if sample and all(isinstance(one, list) for one in sample) and _has_header(values):
            return self._counted(total - 1)
        if total == 1 and sample and isinstance(sample[0], str) and "\n" in sample[0]:
            inner = self._count_text(sample[0], depth + 1)
            return inner if inner.grade >= Grade.COUNTED else self._counted(1)
        return self._counted(total)

    def _objects(self, values: list[Any], depth: int) -> Count:
        total = length(values)
        if all(_is_block(one) for one in values[:8]):
            return self._count_blocks(values, depth + 1) if total == len(values) else NOTHING
        if total == 1:
            members = _members(values[0])
            if _is_failure(members):
                return FAILURE
            if self._is_affected(members):
                return self._counted(0)
        if all(_is_result_set(_members(one)) for one in values[:8]):
            if total != len(values) or not all(isinstance(one, dict) for one in values):
                return NOTHING
            parts = [self._object(one, depth + 1) for one in values]
            known = [part.records for part in parts if part.records is not None]
            return self._counted(sum(known)) if len(known) == len(parts) else NOTHING
        return self._counted(total)

    def _object(self, value: dict[str, Any], depth: int) -> Count:
        members = _members(value)
        if _is_failure(members):
            return FAILURE
        found = self._records(value, members, depth)
        tables = _declared_tables(members, found)
        if found.grade < Grade.DECLARED and (number := _declared_number(members, bool(tables))) is not None:
            found = Count(number, DECLARED, Grade.DECLARED)
        return msgspec.structs.replace(found, tables=tables) if tables else found

    def _records(self, value: dict[str, Any], members: Members, depth: int) -> Count:
        if (rows := self._rows(members, depth)) is not None:
            return rows
        if self._is_affected(members):
            return self._counted(0)
        inside = self._wrapped(members, depth)
        if inside.grade >= Grade.DECLARED:
            return inside
        if (total := maps.count(value, self._request.values)) is not None:
            return self._counted(total)
        if (lists := self._lists(members, depth)) is not None:
            return lists
        if not members or set(members) <= _WRAPPING:
            return self._message(members)
        return inside if inside.grade else Count(1, self._method, Grade.OBJECT)

    def _rows(self, members: Members, depth: int) -> Count | None:
        """The count of the list that is called what lists of records are called."""
        for name in names.ROWS:
            rows = members.get(name)
            if rows is TOO_MUCH:
                return NOTHING
            if rows and isinstance(rows, list) and name in ("rows", "records") and _table_member(members):
                return counted(length(rows), DECLARED)
            if not isinstance(rows, list):
                continue
            if rows and not isinstance(rows[0], dict | list) and not self._is_wrapper(members, name):
                continue
            if rows and isinstance(rows[0], list) and isinstance(columns := members.get("columns"), list):
                return self._counted(length(rows) - (rows[0] == columns))
            return self._list(rows, depth + 1)
        return None

    def _wrapped(self, members: Members, depth: int) -> Count:
        """The count of what is in a member that wraps the whole answer, one level down."""
        best = NOTHING
        for name in names.ROWS:
            inner = members.get(name)
            if isinstance(inner, dict) or (isinstance(inner, str) and self._is_wrapper(members, name)):
                found = self.count(inner, depth + 1)
                best = max(best, found, key=lambda one: one.grade)
        return best

    def _is_wrapper(self, members: Members, name: str) -> bool:
        """Whether all members beside `name` only wrap it, or repeat arguments of the call."""
        return all(
            other == name or other in names.ROWS or self._is_wrapping(other, value) for other, value in members.items()
        )

    def _is_wrapping(self, name: str, value: Any) -> bool:
        return name in _WRAPPING or (isinstance(value, str) and value in self._request.values)

    def _lists(self, members: Members, depth: int) -> Count | None:
        """The records in lists under names of the server's own."""
        lists = {name: value for name, value in members.items() if isinstance(value, list)}
        own = {name: value for name, value in lists.items() if name not in names.ABOUT}
        of_objects = [value for value in (own or lists).values() if value and isinstance(value[0], dict | list)]
        if len(of_objects) == 1:
            return self._list(of_objects[0], depth + 1)
        if not own or not all(name in own or self._is_wrapping(name, members[name]) for name in members):
            return None
        if of_objects:
            return self._counted(sum(map(length, of_objects)))
        lengths = {length(value) for value in own.values()}
        return self._counted(lengths.pop()) if len(lengths) == 1 else None

    def _message(self, members: Members) -> Count:
        for name in ("message", "info", "status", "note"):
            if isinstance(text := members.get(name), str):
                found = self._count_text(text, MAX_DEPTH)
                if found.grade >= Grade.COUNTED:
                    return found
        return NOTHING

    def _is_affected(self, members: Members) -> bool:
        """Whether the object tells what a write did. A query may select a column of such a name."""
        if self._request.returns_rows or names.AFFECTED.isdisjoint(members):
            return False
        return set(members) <= names.AFFECTED | names.ENVELOPE | names.COUNTS


def _members(value: dict[str, Any]) -> Members:
    return {names.plain(name): value[name] for name in sorted(value)}


def _is_block(value: Any) -> bool:
    return isinstance(value, dict) and (
        (value.get("type") == "text" and isinstance(value.get("text"), str))
        or (value.get("type") == "resource" and isinstance(value.get("resource"), dict))
    )


def _is_result_set(members: Members) -> bool:
    """Whether an object is a set of rows and not a row that has a list in it."""
    lists = [name for name in [*names.ROWS[:8], "data", "values"] if isinstance(members.get(name), list)]
    if not lists:
        return False
    return "columns" in members or all(name in _WRAPPING or name in lists for name in members)


def _is_failure(members: Members) -> bool:
    """Whether an object says that the call failed, and holds no records."""
    if any(
        isinstance(members.get(name), list) and members[name]
        for name in ("rows", "records", "results", "data", "items")
    ):
        return False
    if members.get("success") is False or members.get("ok") is False or members.get("iserror") is True:
        return True
    told = [name for name in names.ERRORS if isinstance(members.get(name), str | dict | list) and members[name]]
    own = [name for name in members if name not in _WRAPPING and name not in names.ROWS]
    if told:
        return len(own) <= 2
    status = members.get("status")
    return not own and isinstance(status, str) and status.lower() in ("error", "failed", "failure", "fail")


def _declared_tables(members: Members, found: Count) -> tuple[str, ...]:
    if table := _table_member(members):
        return (plain_table(table),)
    several = members.get("tables", members.get("tablenames"))
    if isinstance(several, list) and _has_rows(members):
        return tuple(sorted({plain_table(one) for one in several[:64] if isinstance(one, str)})) or found.tables
    return found.tables


def _table_member(members: Members) -> str | None:
    """The table that an object says its records come from."""
    values = (members.get(name) for name in names.TABLE_MEMBERS)
    return next((value for value in values if isinstance(value, str) and 0 < len(value) <= MAX_TABLE_NAME), None)


def _has_rows(members: Members) -> bool:
    return any(isinstance(members.get(name), list) for name in names.ROWS)


def _declared_number(members: Members, is_of_table: bool) -> int | None:
    """A number of records without the records; what counts something in general is believed beside a table only."""
    for name in sorted(members):
        value = members[name]
        if (name in names.RETURNED or (is_of_table and name in names.COUNTS)) and type(value) is int and value >= 0:
            return value
    return None


def _has_header(rows: list[Any]) -> bool:
    """Whether the first of several rows names the columns: all different texts above something that is none."""
    first = rows[0]
    if length(rows) < 2 or not first or not all(isinstance(cell, str) and cell for cell in first):
        return False
    others = [row for row in rows[1:8] if isinstance(row, list)]
    return len(set(first)) == len(first) and any(
        not isinstance(cell, str) and cell is not None for row in others for cell in row[: len(first)]
    )
