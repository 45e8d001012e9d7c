"""The members of a JSON object: which of them hold records, describe them or surround them."""

from __future__ import annotations

from typing import Any, Protocol

from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.json import columnar, objects, witnesses
from gateway.metering.json.objects import WRAPPER_AND_ROW_MEMBERS, WRAPPER_MEMBERS, Members
from gateway.metering.json.structure.partial_values import UNREAD, length
from gateway.metering.json.witnesses import Meaning
from gateway.metering.metering_result import Count, counted
from gateway.metering.vocabulary.members import (
    COLUMN_MEMBERS,
    COMMON_MEMBERS,
    NEVER_RECORDS,
    PAGE_MEMBERS,
    ROW_MEMBERS,
    SUMMARY_MEMBERS,
    describes_records,
)
from gateway.metering.vocabulary.names import normalize_name, word_set
from gateway.metering.vocabulary.tools import (
    is_describing_tool,
    is_fetching_tool,
    is_listed_thing,
    is_listing_tool,
    is_named_after_tool,
    is_searching_tool,
)

MAX_WRAPPERS = 5
"""Wrappers around the records."""


class CountsParts(Protocol):
    """Counts the records in the parts of an object; `depth` is the number of wrappers around a part."""

    arguments: ParsedArguments
    method: str
    declared: frozenset[str]
    """Names of the lists in the output schema, and of what is around them, normalized."""

    def count(self, value: Any, depth: int) -> Count: ...

    def count_list(self, values: list[Any], depth: int) -> Count: ...

    def count_text(self, text: str, depth: int) -> Count: ...


SURROUNDING_MEMBERS = WRAPPER_MEMBERS | SUMMARY_MEMBERS
_IDS = ("ids", "keys", "uris", "urls")
"""Endings of the names of lists that stand for records."""
_IDENTIFYING = frozenset(("id", "url", "title", "name", "key", "uuid", "uri", "path"))
"""Members with which a flat object is a record."""
_ENTITY_MEMBERS = word_set(
    "id title name displayname fullname username status state subject slug author owner assignee email created "
    "createdat createdon createdby createddate creationdate updated updatedat modified modifiedat publishedat duedate"
)
"""Members that describe one entity."""
_OUTCOMES = word_set(
    "ok success succeeded successful complete completed done finished ready error failed partial true 200"
)
"""States of a call, as opposed to those of an entity."""
_RESULT_LISTS = word_set("rows records recordset resultset resultrows results result documents docs hits data output")
"""Lists that are hardly ever a property of an entity."""


class ObjectMembers:
    """The members of one object, by their normalized names, inside `depth` wrappers."""

    __slots__ = ("_arguments", "_depth", "_members", "_parts", "_row_names", "_value")

    def __init__(self, value: dict[str, Any], members: Members, depth: int, parts: CountsParts) -> None:
        self._value = value
        self._members = members
        self._depth = depth
        self._parts = parts
        self._arguments = parts.arguments
        self._row_names = [name for name in ROW_MEMBERS if name in members]

    def _counted(self, records: int, *signs: Sign) -> Count:
        return counted(records, self._parts.method, (), signs)

    def _original(self, path: str) -> str:
        """Return a path from a normalized name on with that name as it is in the object."""
        name, point, rest = path.partition(".")
        return next((one for one in self._value if normalize_name(one) == name), name) + point + rest

    def _under(self, name: str, found: Count, *signs: Sign) -> Count:
        """Return the count of the member with the normalized `name`; the only one may be the key of a map."""
        is_known = len(self._members) > 1 or self._is_common(name)
        return found.under(self._original(name) if is_known else "*", *signs)

    def _is_common(self, name: str) -> bool:
        """Return True if a name is in the vocabulary, in the output schema or in the name of the tool."""
        is_declared = name in self._parts.declared or is_named_after_tool(name, self._arguments.tool)
        return is_declared or name in WRAPPER_MEMBERS or name in COMMON_MEMBERS or describes_records(name)

    def _is_unread(self, name: str) -> bool:
        return self._members.get(name) is UNREAD

    def _has_records_elsewhere(self) -> bool:
        """Return True if a list of objects or ids, which may be the records, is beside an empty list."""
        if self._states_none():
            return False
        return any(
            isinstance(value, list)
            and bool(value)
            and (isinstance(value[0], dict | list) or self._may_list_records(name, value[0]))
            for name, value in self._members.items()
            if not describes_records(name)
        )

    def _may_list_records(self, name: str, value: Any) -> bool:
        return (is_listed_thing(name) or name.endswith(_IDS)) and value not in self._arguments.strings

    def _has_content(self) -> bool:
        """Return True if a member other than an empty list may hold the records."""
        return any(
            (isinstance(value, dict) and bool(value) and name not in SURROUNDING_MEMBERS)
            or (objects.is_list_of_objects(value) and name not in COLUMN_MEMBERS)
            or objects.is_multiline(value)
            for name, value in self._members.items()
        )

    def _has_empty_list_of_its_own(self) -> bool:
        """Return True if a list under a name that only this server uses is empty, in an object without an id."""
        lists = (name for name, value in self._members.items() if isinstance(value, list) and not value)
        return "id" not in self._members and not all(map(describes_records, lists))

    def _is_document(self, name: str, text: str) -> bool:
        """Return True if a text under a name for results may hold records, whatever is beside it."""
        is_result = name in ("result", "results", "rows", "records", "data", "output", "response", "json", "csv")
        return is_result and "id" not in self._members and ("\n" in text or text[:1] in ("[", "{"))

    def _has_parallel_lists(self) -> bool:
        """Return True if several lists, here or in one member, have the same length: columns, so no single record."""
        if any(isinstance(value, dict) and columnar.are_columns(value) for value in self._members.values()):
            return True
        lengths = [length(value) for value in self._members.values() if isinstance(value, list) and len(value) > 1]
        return len(lengths) > len(set(lengths))

    def _is_only_list(self, name: str) -> bool:
        """Return True if no other member is a list with elements, except one that describes the records."""
        others = ((other, value) for other, value in self._members.items() if other != name)
        return not any(isinstance(value, list) and value and not describes_records(other) for other, value in others)

    def _has_other_list(self, name: str) -> bool:
        """Return True if there is another list of objects of another length."""
        total = length(self._members[name])
        return any(
            objects.is_list_of_objects(value) and length(value) != total
            for other, value in self._members.items()
            if other != name and not describes_records(other)
        )

    def _has_empty_list(self) -> bool:
        return any(self._members[name] == [] for name in self._row_names)

    def _states_none(self) -> bool:
        return any(one.number == 0 and one.meaning >= Meaning.TOTAL for one in witnesses.find(self._members, ""))

    def _is_success(self) -> bool:
        return True in (self._members.get("success"), self._members.get("ok"))

    def _is_one_scalar(self) -> bool:
        return len(self._members) == 1 and not isinstance(next(iter(self._members.values())), dict | list | str)

    def _is_selected(self) -> bool:
        """Return True if the members are the columns of the call's statement."""
        columns = self._arguments.columns
        return columns is not None and {normalize_name(one) for one in columns} == self._members.keys()

    def _echoes(self) -> bool:
        """Return True if a member, or one of an object in it, has the value of an argument."""
        strings = self._arguments.strings
        values = [value for name, value in self._members.items() if name not in WRAPPER_MEMBERS]
        inner = (one for value in self._members.values() if isinstance(value, dict) for one in value.values())
        return any(isinstance(one, str) and (one in strings or one.lower() in strings) for one in (*values, *inner))

    def _is_page_of_results(self) -> bool:
        """Return True if a list is a result rather than a property, by its name or by what describes the page."""
        members = self._members
        is_result = any(isinstance(members[name], list) for name in _RESULT_LISTS & members.keys())
        return is_result or "columns" in members or not PAGE_MEMBERS.isdisjoint(members)

    def _scalars(self) -> list[str]:
        """Return the members with a single value, without those that say how the call went."""
        return [
            name
            for name, value in self._members.items()
            if not isinstance(value, list | dict)
            and value not in (None, "")
            and not (name in ("status", "state") and str(value).lower() in _OUTCOMES)
        ]

    def _describes_entity(self) -> bool:
        """Return True if the values beside a list describe one entity, and it may be a property."""
        if self._is_list_expected():
            return False
        described = [name for name in self._scalars() if name in _ENTITY_MEMBERS and not self._is_repeated(name)]
        return len(described) > (0 if is_fetching_tool(self._arguments.tool) else 1)

    def _is_list_expected(self) -> bool:
        """Return True if tool or query asks for a list, or the object is a page of one, so that it is no property."""
        return self._asks_for_list() or bool(self._arguments.returns_rows) or self._is_page_of_results()

    def _asks_for_list(self) -> bool:
        return is_listing_tool(self._arguments.tool) or is_searching_tool(self._arguments.tool)

    def _is_repeated(self, name: str) -> bool:
        return isinstance(value := self._members[name], str) and value in self._arguments.strings

    def _is_record_like(self) -> bool:
        """Return True if an object has an id and is in a table of the call, or is flat with an identifying member."""
        if self._arguments.tables_read and objects.is_entity(self._members):
            return True
        is_flat = not any(isinstance(value, dict | list) for value in self._members.values())
        return is_flat and len(self._members) > 1 and not self._members.keys().isdisjoint(_IDENTIFYING)

    def _lacks_selected(self) -> bool:
        """Return True if none of the members is a column of the call's statement."""
        columns = self._arguments.columns
        return bool(columns) and self._members.keys().isdisjoint(map(normalize_name, columns or ()))

    def _is_wrapper(self, name: str) -> bool:
        """Return True if all members except `name` only wrap it, or repeat arguments of the call."""
        members = self._members
        return all(
            other == name or other in WRAPPER_AND_ROW_MEMBERS or self._is_wrapper_member(other, value)
            for other, value in members.items()
        )

    def _holds_no_data(self, null: str) -> bool:
        """Return True if all members except `null` surround records, or are objects of such members."""
        return all(
            SURROUNDING_MEMBERS.issuperset(map(normalize_name, value))
            if isinstance(value, dict)
            else self._is_wrapper_member(name, value)
            for name, value in self._members.items()
            if name != null
        )

    def _is_wrapper_member(self, name: str, value: Any) -> bool:
        is_repeated = isinstance(value, str) and (value in self._arguments.strings or value.lower() in _OUTCOMES)
        return is_repeated or name in WRAPPER_MEMBERS or (isinstance(value, list) and not value)

    def _is_fact_sheet(self) -> bool:
        """Return True if a describing tool returns several scalars, so that a list is one property among others."""
        facts = sum(
            not isinstance(value, list | dict) and name not in WRAPPER_MEMBERS for name, value in self._members.items()
        )
        return is_describing_tool(self._arguments.tool) and facts > 1

    def _may_be_all(self, name: str, first: Any) -> bool:
        """Return True if a list does not describe the records, or is all that an object holds."""
        if not describes_records(name):
            return True
        is_alone = name == "links" or name not in NEVER_RECORDS
        is_object = isinstance(first, dict) and "rel" not in first
        is_name = isinstance(first, str) and is_listed_thing(name) and is_listing_tool(self._arguments.tool)
        return is_alone and (is_object or is_name) and self._is_wrapper(name)

    def _is_value(self, name: str) -> bool:
        """Return True if a member holds no records; a line of text may do so if the call asks for no list."""
        value = self._members[name]
        if isinstance(value, str):
            return self._asks_for_list() and "\n" not in value
        return not isinstance(value, dict | list)

    def _states_length(self, name: str) -> bool:
        total = length(self._members[name])
        return any(one.number == total > 1 for one in witnesses.find(self._members, name))
