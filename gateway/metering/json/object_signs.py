"""The signs that the members of a JSON object give for and against a count of its records."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.metering.confidence import Sign
from gateway.metering.json import objects
from gateway.metering.json.object_lists import ObjectLists, member_of
from gateway.metering.json.object_members import MAX_WRAPPERS
from gateway.metering.json.signs import BesideNone, are_selected_rows, holds_records, may_hold_lines, reports_error
from gateway.metering.json.structure.partial_values import length
from gateway.metering.metering_result import Count, CountKind
from gateway.metering.vocabulary.tools import is_describing_tool, is_fetching_tool, is_schema_tool, is_writing_tool


class ObjectSigns(ObjectLists):
    """The members beside the records of one object."""

    __slots__ = ()

    def _signed(self, found: Count) -> Count:
        """Return a count with the signs that the members beside the records give."""
        signs = []
        is_listed = Sign.COMMON_LIST in found.signs or Sign.OTHER_LIST in found.signs
        if is_listed and (self._is_beside_entity(found) or self._is_asked_for()):
            signs.append(Sign.ENTITY_BESIDE)
        if Sign.OTHER_LIST in found.signs and self._is_beside_statistics():
            signs.append(Sign.STATISTICS_BESIDE)
        if found.kind in (CountKind.COUNTED, CountKind.OBJECT) and self._skips_scalars(found):
            signs.append(Sign.SCALARS_SKIPPED)
        if found.records and reports_error(self._members):
            signs.append(Sign.ERROR_BESIDE)
        return found.with_signs(*signs)

    def _is_asked_for(self) -> bool:
        """Return True if the object has the id by which the tool fetches one entity, so that its lists belong to it."""
        return (
            not self._is_list_expected()
            and is_fetching_tool(self._arguments.tool)
            and any(self._is_own_id(name) for name in objects.IDS & self._members.keys())
        )

    def _is_beside_entity(self, found: Count) -> bool:
        """Return True if the records are a list of this object, which describes one entity."""
        records = self._members.get(member_of(found))
        if not isinstance(records, list) or not records or isinstance(records[0], list):
            return False  # a property is no list of rows
        return bool(found.records) and self._describes_entity()

    def _is_beside_statistics(self) -> bool:
        """Return True if several maps of numbers are beside a list, and it may be a property."""
        if self._is_list_expected():
            return False
        inner = (value for value in self._members.values() if isinstance(value, dict) and value)
        return sum(all(type(number) in (int, float) for number in one.values()) for one in inner) > 1

    def _skips_scalars(self, found: Count) -> bool:
        """Return True if a list of scalars under a common name was not counted, but something else was."""
        if Sign.SCALAR in found.signs or Sign.ENTITY in found.signs:
            return False
        counted_name = member_of(found)
        return any(
            isinstance(rows := self._members[name], list)
            and bool(rows)
            and not isinstance(rows[0], dict | list)
            and length(rows) != found.records
            for name in self._row_names
            if name != counted_name
        )

    def _holds_data_despite_error(self) -> bool:
        """Return True if an object with an error is an entity, or holds a list of objects that may be the records."""
        if is_writing_tool(self._arguments.tool):
            return False
        is_entity = is_fetching_tool(self._arguments.tool) and objects.is_entity(self._members)
        has_rows = any(are_selected_rows(one, self._arguments.columns) for one in self._members.values())
        return is_entity or has_rows or holds_records(self._value)

    def _has_data_beside(self, found: Count) -> bool:
        """Return True if a member beside a count of 0 may hold the records."""

        def is_message(text: str) -> bool:
            return self._parts.count_text(text, MAX_WRAPPERS).records == 0

        counted_name = member_of(found)
        others = {name: value for name, value in self._members.items() if name != counted_name}
        is_stated = Sign.STATED_ZERO in found.signs or self._states_none()
        beside = BesideNone(self._arguments.strings, self._arguments.columns, is_message)
        return len(self._members) > 1 and beside.may_hold_records(others, is_stated=is_stated)

    def _signs_of_object(self) -> Iterator[Sign]:
        """Yield the signs for and against an object as one record."""
        tool = self._arguments.tool
        yield Sign.SINGLE_OBJECT
        observed = {
            Sign.DESCRIBING_TOOL: is_describing_tool(tool) and not is_schema_tool(tool),
            Sign.DESCRIPTION: is_schema_tool(tool),
            Sign.ECHO: self._echoes(),
            Sign.EMPTY_BESIDE_FULL: self._has_empty_list_of_its_own(),
            Sign.RECORD_LIKE: self._is_record_like(),
            Sign.NO_VALUES: bool(self._members) and all(isinstance(one, dict) for one in self._members.values()),
            Sign.COLUMNS_DISAGREE: self._lacks_selected(),
            Sign.LINES_OF_TEXT: may_hold_lines(self._members),
        }
        yield from (sign for sign, is_seen in observed.items() if is_seen)
