"""Counts the records in a JSON object by its members.

A member is one of these: a list or wrapper under a common name (`ROW_MEMBERS`); a member that only describes
or surrounds the records (`objects.WRAPPER_MEMBERS`); or one under a name that only this server uses.
"""

from __future__ import annotations

import msgspec

from gateway.metering.confidence import Sign
from gateway.metering.json import maps, objects, outcomes, witnesses
from gateway.metering.json.object_members import SURROUNDING_MEMBERS
from gateway.metering.json.object_signs import ObjectSigns
from gateway.metering.json.objects import WRAPPER_AND_ROW_MEMBERS, WRAPPER_MEMBERS, is_flat
from gateway.metering.json.signs import of_map
from gateway.metering.json.structure.partial_values import length
from gateway.metering.json.witnesses import Meaning
from gateway.metering.metering_result import DECLARED, FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.vocabulary.members import (
    NEVER_RECORDS,
    TABLE_MEMBERS,
    describes_records,
)
from gateway.metering.vocabulary.names import normalize_name, word_set
from gateway.metering.vocabulary.tools import (
    counts_groups,
    has_read_verb,
    is_describing_tool,
    is_listing_tool,
    is_named_after_tool,
    is_overwriting_tool,
    is_plural_tool,
    is_searching_tool,
    is_writing_tool,
    tool_words,
)

_ENVELOPE_SIGNS = word_set(
    "ok success hasmore hasmoreresults hasnext nextcursor nextpagetoken islast lastpage islastpage"
)
"""Members that only a list of records has beside it."""

_LOGS = ("log", "logs")
"""Members with lines of text that are records, whatever single values are beside them."""


class ObjectShape(ObjectSigns):
    """One object, with the lists, objects and texts among its members."""

    __slots__ = ()

    def count(self) -> Count:
        """Count the records in the object."""
        members = self._members
        is_failure = outcomes.is_failure(members) and not self._lists_errors() and not self._is_selected()
        if is_failure and not self._holds_data_despite_error():
            return FAILURE
        found = self._signed(self._count_answer())
        if is_failure:
            found = UNKNOWN_COUNT if found.kind is CountKind.OBJECT else found.with_signs(Sign.ERROR_BESIDE)
        if not found.records or Sign.NO_VALUES in found.signs:
            found = self._count_aggregations() or found
        if found.kind < CountKind.STATED and (stated := self._stated_number()) is not None:
            found = stated
        if found.records == 0 and Sign.WRITE not in found.signs and self._has_data_beside(found):
            found = found.with_signs(Sign.DATA_BESIDE)
        tables = objects.named_tables(members) or found.tables
        return self._checked(msgspec.structs.replace(found, tables=tables) if tables else found)

    def _count_answer(self) -> Count:
        """Count an answer that the work goes on, the report of a write, or the members."""
        if outcomes.is_pending(self._members) and not self._is_selected():
            return self._counted(0, Sign.PENDING)
        tool = self._arguments.tool
        is_write = self._arguments.returns_rows is None and (
            (is_overwriting_tool(tool) and self._is_success()) or (not has_read_verb(tool) and self._confirms_write())
        )
        return self._counted(0, Sign.WRITE) if is_write else self._count_members()

    def _count_aggregations(self) -> Count | None:
        """Count the groups of aggregations without hits beside them."""
        name = next((one for one in ("aggregations", "aggs", "facets") if self._members.get(one)), "")
        if groups := objects.count_buckets(self._members.get(name)):
            return self._under(name, self._counted(groups, Sign.COMMON_LIST))
        values = [one for one in self._value.values() if isinstance(one, dict) and one.keys() == {"value"}]
        is_search = is_searching_tool(self._arguments.tool) and len(values) == len(self._value) > 0
        return self._counted(len(values), Sign.SCALAR).at("*") if is_search else None

    def _stated_number(self) -> Count | None:
        """Return the stated number of returned records; `None` for a describing tool, which states what exists."""
        if is_describing_tool(self._arguments.tool) or (stated := objects.stated_number(self._members)) is None:
            return None
        name, number = stated
        return self._under(name, Count(number, DECLARED, CountKind.STATED, (), (Sign.STATED_ONLY,)))

    def _count_members(self) -> Count:
        members, value = self._members, self._value
        if (whole := self._count_whole()) is not None:
            return whole
        if self._is_grouping() and (groups := maps.count_groups(value)) is not None:
            return self._counted(groups, Sign.MAP, Sign.GROUPS)
        if (rows := self._count_rows_member()) is not None:
            return rows
        if self.is_write_report() or (outcomes.is_written(members) and self._arguments.returns_rows is None):
            return self._counted(0, Sign.WRITE)
        wrapped = self._count_wrapped()
        if wrapped.kind >= CountKind.STATED or Sign.ENTITY in wrapped.signs:
            return wrapped
        if (results := self._count_named_results() or self._count_described_tables()) is not None:
            return results
        # A list of rows is more reliable than an object next to it whose member names may be data.
        total = None if is_describing_tool(self._arguments.tool) else maps.count(value, self._arguments.strings)
        has_list = any(isinstance(one, list) for one in value.values())
        if total is not None and (not has_list or maps.is_map(value, self._arguments.strings)):
            return self._counted(total, *of_map(value, self._arguments.strings, is_listing=self._asks_for_list()))
        if (found := self._count_other_lists() or self._count_none() or self._count_lists_by_name()) is not None:
            return found
        if total is not None:
            return self._counted(total, *of_map(value, self._arguments.strings, is_listing=self._asks_for_list()))
        if (found := self._count_inner()) is not None:
            return found
        if "count" in tool_words(self._arguments.tool) and len(witnesses.find(members, "")) == 1:
            return self._counted(1, Sign.SCALAR)
        if self._reports_verb() or self._tells_success():
            return self._counted(0, Sign.WRITE)
        if all(map(objects.is_bookkeeping, members)):
            return UNKNOWN_COUNT
        if members.keys() <= WRAPPER_AND_ROW_MEMBERS:
            return wrapped if wrapped.kind else self._count_stated_list() or self.count_message()
        return self._count_without_list(wrapped)

    def _is_grouping(self) -> bool:
        return counts_groups(self._arguments.tool, reads_table=bool(self._arguments.tables_read))

    def _count_none(self) -> Count | None:
        """Return 0 records if an object without a list states that there are none, or its only list is empty."""
        members = self._members
        lists = sorted(name for name, value in members.items() if isinstance(value, list))
        if is_describing_tool(self._arguments.tool) or "id" in members:
            return None
        if any(members[name] for name in lists if not describes_records(name)):
            return None
        lists = [name for name in lists if name not in NEVER_RECORDS and not members[name]]
        stated = [one for one in witnesses.find(members, "") if one.meaning >= Meaning.TOTAL]
        if stated and all(one.number == 0 for one in stated):
            found = self._under(lists[0] if len(lists) == 1 else "*", self._counted(0, Sign.STATED_ZERO))
            return found.stated_by(self._original(stated[0].name))
        if not lists or self._has_content():
            return None
        is_page = len(members) == 1 or not members.keys().isdisjoint(_ENVELOPE_SIGNS)
        is_none = is_page or is_listing_tool(self._arguments.tool) or self.count_message().records == 0
        return self._under(lists[0], self._counted(0, Sign.EMPTY_LIST)) if is_none else None

    def _count_without_list(self, wrapped: Count) -> Count:
        """Count an object without a list of records: an acknowledgement, a summary, or one record."""
        members = self._members
        if outcomes.is_acknowledgement(members):
            if (message := self.count_message()).kind:
                return message
            if is_writing_tool(self._arguments.tool):
                return self._counted(0, Sign.WRITE)
        if wrapped.kind:
            return wrapped
        if (nothing := self._count_nothing()) is not None:
            return nothing
        if (told := self._count_by_message()) is not None:
            return told
        if is_writing_tool(self._arguments.tool) and self._is_success():
            return self._counted(0, Sign.WRITE)
        is_answer = all(isinstance(value, bool) for name, value in members.items() if name not in WRAPPER_MEMBERS)
        return UNKNOWN_COUNT if is_answer or objects.is_summary(members) else self._count_single()

    def _count_single(self) -> Count:
        """Count an object as one record; if it states a number of rows, only a map with as many entries is counted."""
        members, value = self._members, self._value
        if (stated := self._count_stated_list()) is not None:
            return stated
        is_typed = objects.has_types(value)
        described = objects.described_columns(value) if is_typed or "fields" not in value else 0  # or the entity's own
        if described or self._has_parallel_lists():
            is_table = is_typed and self._arguments.returns_rows is None
            return self._counted(described, Sign.COLUMN_LIST).at("columns") if is_table else UNKNOWN_COUNT
        sizes = {value for name, value in members.items() if type(value) is int and witnesses.counts_rows(name)}
        if not sizes:
            return Count(1, self._parts.method, CountKind.OBJECT, (), tuple(self._signs_of_object()))
        if is_writing_tool(self._arguments.tool) and self._arguments.returns_rows is None:
            return self._counted(0, Sign.WRITE)
        map_sizes = [len(one) for one in value.values() if isinstance(one, dict) and maps.holds_only_objects(one)]
        is_stated = len(map_sizes) == 1 and map_sizes[0] in sizes
        return self._counted(map_sizes[0], Sign.MAP) if is_stated else UNKNOWN_COUNT

    def _count_named_results(self) -> Count | None:
        """Add up results by name: `{"a": {"data": [1, 2]}, "b": {"data": [3]}}`."""
        inner = {name: one for name, one in self._members.items() if isinstance(one, dict)}
        others = self._members.keys() - inner.keys()
        if not all(self._is_wrapper_member(name, self._members[name]) for name in others):
            return None
        if not objects.are_named_results(list(inner.values())):
            return None
        parts = [self._parts.count(one, self._depth + 1) for one in inner.values()]
        if not all(part.kind is CountKind.COUNTED for part in parts):
            return UNKNOWN_COUNT
        signs = tuple(sorted({sign for part in parts for sign in part.signs}))
        total = self._counted(sum(part.records or 0 for part in parts), Sign.SUM, *signs)
        return total.at(parts[0].path).under("*")

    def _count_lists_by_name(self) -> Count | None:
        """Add up the lists of objects in the only member with lists: `{"columns": {"open": [{…}], "done": [{…}]}}`."""
        tool = self._arguments.tool
        groups = [name for name, one in self._members.items() if objects.holds_lists(one)]
        if len(groups) != 1 or maps.is_data_name(self._original(name := groups[0])):
            return None
        if is_describing_tool(tool) or is_writing_tool(tool):
            return None
        if not all(
            is_flat(value) if isinstance(value, dict) else self._is_wrapper_member(other, value)
            for other, value in self._members.items()
            if other != name
        ):
            return None
        return self._under(
            name, self._counted(sum(map(length, self._members[name].values())), Sign.SUM, Sign.GROUPS).at("*")
        )

    def _count_wrapped(self) -> Count:
        """Count what is inside a member that wraps the whole result."""
        members = self._members
        best = UNKNOWN_COUNT
        for name in self._row_names:
            inner = members[name]
            if type(inner) in (int, float) and self._arguments.has_one_column and self._is_wrapper(name):
                return self._under(name, self._counted(1, Sign.SCALAR))
            if inner is None:
                if self._states_none():
                    return self._under(name, self._counted(0, Sign.STATED_ZERO))
                if not best.kind and self._holds_no_data(name):
                    best = self._under(name, Count(0, self._parts.method, CountKind.STATED, (), (Sign.NO_DATA,)))
            is_text = isinstance(inner, str) and (self._is_wrapper(name) or self._is_document(name, inner))
            if isinstance(inner, dict) or is_text:
                found = self._under(name, self._parts.count(inner, self._depth + 1))
                if isinstance(inner, str) and found.kind is CountKind.NONE:
                    found = self._count_stated_lines(name, inner)
                best = max(best, found, key=lambda one: one.kind)
        return best

    def _count_stated_lines(self, name: str, text: str) -> Count:
        """Count the lines of a text whose number, with or without a header, is stated beside it."""
        lines = text.strip().count("\n") + 1
        for one in witnesses.find(self._members, name):
            if one.meaning >= Meaning.COUNT and one.number in (lines, lines - 1) and one.number > 1:
                found = self._under(name, counted(one.number, "lines_text"))
                return found.stated_by(self._original(one.name), Sign.WITNESS_AGREES)
        return UNKNOWN_COUNT

    def _count_inner(self) -> Count | None:
        """Count the only object or multi-line string under a name that only this server uses."""
        custom = [
            name
            for name, value in self._members.items()
            if not self._is_wrapper_member(name, value)
            or (name in TABLE_MEMBERS and objects.is_multiline(value))
            or (isinstance(value, dict) and is_named_after_tool(name, self._arguments.tool))
        ]
        scalars = [name for name in custom if self._is_value(name)]
        if len(scalars) == len(custom):
            custom += [name for name, value in self._members.items() if objects.holds_list(name, value)]
        custom = [
            name for name in custom if name not in scalars and not objects.is_empty_or_page(name, self._members[name])
        ]
        logs = [name for name in custom if name in _LOGS and objects.is_multiline(self._members[name])]
        if len(logs) == 1 and is_named_after_tool(logs[0], self._arguments.tool) and "id" not in self._members:
            scalars, custom = [], [one for one in custom if one in logs or not isinstance(self._members[one], str)]
        if len(custom) != 1 or (scalars and "id" in self._members) or custom[0] in ("preview", "sample"):
            return None
        inner = self._members[custom[0]]
        if not isinstance(inner, dict) and not objects.is_multiline(inner):
            return None
        if len(self._members) > 1 and maps.is_data_name(self._original(custom[0])):
            return None  # one entry of a map beside other members
        found = self._under(custom[0], self._parts.count(inner, self._depth + 1))
        if scalars and Sign.COMMON_LIST not in found.signs:
            return None
        if (entries := self._count_named_map(custom[0])) is not None:
            return entries
        is_named = is_named_after_tool(custom[0], self._arguments.tool) and found.kind is CountKind.OBJECT
        return found if found.kind is CountKind.COUNTED or is_named else None

    def _count_named_map(self, name: str) -> Count | None:
        """Count the entries of a map under the name of what the tool lists: `{"devices": {"lamp": {…}}}`."""
        entries, tool = self._members[name], self._arguments.tool
        if not isinstance(entries, dict) or name in self._row_names or not is_plural_tool(tool):
            return None
        if not maps.are_of_one_type(entries) or SURROUNDING_MEMBERS.issuperset(map(normalize_name, entries)):
            return None
        if not is_named_after_tool(name, tool):
            return None
        groups = maps.count_groups(entries) if self._is_grouping() else None
        return self._under(name, self._counted(groups or len(entries), Sign.MAP, Sign.NAMED_LIST))
