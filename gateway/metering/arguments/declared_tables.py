"""Finds the tables that arguments other than SQL name: by the name of the argument, or by its description."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

from gateway.metering.arguments import rest_requests
from gateway.metering.arguments.joined_tables import JoinedTables
from gateway.metering.table_names import MAX_TABLE_NAME, normalize_table
from gateway.metering.vocabulary.arguments import (
    ARGUMENTS_BY_TOOL_WORDS,
    CATALOG_ARGUMENTS,
    DATA_ARGUMENTS,
    DATABASE_ARGUMENTS,
    DATASET_ARGUMENTS,
    DOCUMENT_WORDS,
    EXPANDING_ARGUMENTS,
    EXPLORE_ARGUMENTS,
    FIELD_ARGUMENTS,
    INDEX_ARGUMENTS,
    MEASURE_ARGUMENTS,
    MODEL_ARGUMENTS,
    NOT_OBJECT_TYPES,
    OBJECT_ARGUMENTS,
    OBJECT_TYPE_ARGUMENTS,
    OPERATION_ARGUMENTS,
    PATH_ARGUMENTS,
    PUBLISH_WORDS,
    RANGE_ARGUMENTS,
    READING_WORDS,
    RECORD_WORDS,
    SCHEMA_ARGUMENTS,
    SELECTED_EXPLORE_ARGUMENTS,
    SHEET_ARGUMENTS,
    SOURCE_ARGUMENTS,
    STORAGE_ARGUMENTS,
    TABLE_ARGUMENTS,
    TABLE_ENDINGS,
    TOPIC_ARGUMENTS,
    UNQUALIFIED_ARGUMENTS,
    VECTOR_WORDS,
    WRITE_OPERATIONS,
    WRITTEN_ARGUMENTS,
)
from gateway.metering.vocabulary.tools import is_writing_tool, tool_words

MAX_TABLE_ARGUMENTS = 200
"""Names of tables among the arguments; later ones are ignored."""

_OTHER_TABLE_ARGUMENTS = TABLE_ARGUMENTS - INDEX_ARGUMENTS | SHEET_ARGUMENTS
_NOT_NAMES = frozenset(("", "*", "%", "all", "none", "null"))
_CELLS = re.compile(r"[A-Z]{1,3}\d{0,7}(?::[A-Z]{1,3}\d{0,7})?\Z", re.IGNORECASE)
_MODEL = re.compile(r"[a-z_]\w{0,40}(?:\.\w{1,40}){1,4}\Z")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z", re.IGNORECASE)
_NAME = re.compile(r"[\w$.\-\"`\[\]]+\Z")
_PATH_NAME = re.compile(r"[\w.#/-]+\Z")


@lru_cache(maxsize=1_024)
def _arguments_by_words(tool: str) -> frozenset[str]:
    """Return the arguments that name a table because of the words in the tool's name."""
    words = tool_words(tool)
    found = (arguments for arguments, of in ARGUMENTS_BY_TOOL_WORDS if not of.isdisjoint(words))
    return frozenset[str]().union(*found)


def _containers(tool: str, names: Set[str]) -> frozenset[str]:
    """Return the arguments that name what holds the records, because no other argument does."""
    words = tool_words(tool)
    if not DOCUMENT_WORDS.isdisjoint(words) and "path" not in names:
        return DATABASE_ARGUMENTS
    if "namespace" in names and not VECTOR_WORDS.isdisjoint(words):
        return frozenset(("name",))
    if "datasourcename" in names and is_writing_tool(tool) and not DATA_ARGUMENTS.isdisjoint(names):
        return frozenset(("datasourcename",))
    if MODEL_ARGUMENTS.isdisjoint(names):
        return EXPLORE_ARGUMENTS if "query" in words else frozenset()
    explores = EXPLORE_ARGUMENTS if MEASURE_ARGUMENTS.isdisjoint(names) else SELECTED_EXPLORE_ARGUMENTS
    return explores if RECORD_WORDS.isdisjoint(words) else explores | MODEL_ARGUMENTS


class DeclaredTables:
    """The tables that arguments other than SQL name.

    `possible` may be tables. `is_complete` is False if a value may reach a table that it does not name. `values` are
    the strings by name.
    """

    def __init__(self, tool: str, strings: list[tuple[str, str]], table_arguments: frozenset[str]) -> None:
        self.tables: set[str] = set()
        self.written: set[str] = set()
        self.possible: set[str] = set()
        self.datasets: set[str] = set()
        """Those of `tables` that hold the tables of a query, if there is one."""
        self.is_complete = True
        self._names = 0
        self.values = dict(strings)
        names = self.values.keys()
        schemas = [self.values[name] for name in SCHEMA_ARGUMENTS if name in names and self.values[name]]
        catalogs = [self.values[name] for name in CATALOG_ARGUMENTS if name in names and self.values[name]]
        self._schema = ".".join(catalogs[:1] + schemas[:1]) if schemas else ""
        self._writes = is_writing_tool(tool) or (
            not OPERATION_ARGUMENTS.isdisjoint(names)
            and any(name in OPERATION_ARGUMENTS and value.lower() in WRITE_OPERATIONS for name, value in strings)
        )
        self._has_table = not TABLE_ARGUMENTS.isdisjoint(names)
        self._has_other = not _OTHER_TABLE_ARGUMENTS.isdisjoint(names)
        self._has_object = not OBJECT_ARGUMENTS.isdisjoint(names)
        self._is_listing = "tables" in tool_words(tool)
        self._reads_rows = not READING_WORDS.isdisjoint(tool_words(tool))
        self._publishes = not PUBLISH_WORDS.isdisjoint(tool_words(tool))
        self._table_arguments = _arguments_by_words(tool)
        if table_arguments:
            self._table_arguments |= table_arguments
        if not self._has_table:
            self._table_arguments |= _containers(tool, names)
        for name, value in strings:
            self._read(name, value)
        if (request := rest_requests.read(tool, self.values)) is not None:
            self.is_complete = False  # relations and functions may reach other tables
            self.tables.update(request.tables)
            self.written.update(request.tables[:1] if request.is_write else ())

    def _read(self, name: str, value: str) -> None:
        if (self._has_object and name in FIELD_ARGUMENTS and "." in value) or (
            self._has_table and name in EXPANDING_ARGUMENTS and value
        ):
            self.is_complete = False  # a field of another object, or a relation
        if name in SELECTED_EXPLORE_ARGUMENTS and name in self._table_arguments:
            self.is_complete = False  # the model joins other tables
        if name in INDEX_ARGUMENTS and self._has_other:
            self.possible.add(normalize_table(value[:MAX_TABLE_NAME]))  # probably an index of the table
        elif name in SHEET_ARGUMENTS:
            self._add(name, value)
        elif (
            name in TABLE_ARGUMENTS
            or name.endswith(TABLE_ENDINGS)
            or (name in self._table_arguments and (name not in MODEL_ARGUMENTS or _MODEL.match(value) is not None))
            or (name in OBJECT_ARGUMENTS and self._is_table(name, value))
            or (name in OBJECT_TYPE_ARGUMENTS and self._is_type_of_records(value))
        ):
            for part in value[: 64 * MAX_TABLE_NAME].split(",", MAX_TABLE_ARGUMENTS):
                self._add(name, part)
        elif name in DATASET_ARGUMENTS and not self._has_table and not self._is_listing:
            if _UUID.match(value) is not None and not self._reads_rows:
                self.possible.add(value.lower())
                return
            self._add(name, value)
            self.datasets.update({normalize_table(value.strip())} & self.tables)
        elif name in RANGE_ARGUMENTS and (sheet := self._sheet(value)):
            self._add("sheet", sheet)

    def _add(self, name: str, value: str) -> None:
        self._names += 1
        if self._names > MAX_TABLE_ARGUMENTS:
            self.is_complete = False
            return
        text = value.strip()
        is_sheet = name in SHEET_ARGUMENTS
        if text.lower() in _NOT_NAMES or len(text) > MAX_TABLE_NAME or text.isdecimal():
            self.is_complete = False
            return
        if not is_sheet and not (_PATH_NAME if name in PATH_ARGUMENTS else _NAME).match(text):
            self.is_complete = False
            if ("*" in text and name not in INDEX_ARGUMENTS) or "%" in text:
                return
        table = normalize_table(text)
        table = table if name in UNQUALIFIED_ARGUMENTS else self._qualified(table)
        self.tables.add(table)
        is_target = self._writes or (self._publishes and name in TOPIC_ARGUMENTS)
        if (is_target and name not in SOURCE_ARGUMENTS) or name in WRITTEN_ARGUMENTS:
            self.written.add(table)

    def take_datasets_for_schemas(self) -> None:
        """Take the datasets for the schemas or models of the tables in the call's query."""
        self.possible |= self.datasets
        self.tables -= self.datasets

    def add_joined(self, joined: JoinedTables) -> None:
        """Add the tables that arguments bring in beside another."""
        self.is_complete = self.is_complete and joined.is_complete
        for name in joined.tables:
            if not _NAME.match(name) or len(name) > MAX_TABLE_NAME:
                self.is_complete = False
                continue
            self.possible.add(self._qualified(normalize_table(name)))

    def _qualified(self, table: str) -> str:
        return f"{normalize_table(self._schema)}.{table}" if self._schema and "." not in table else table

    def _sheet(self, reference: str) -> str:
        """Return the sheet in a range such as `Orders!A1:B5`; in a call with a spreadsheet, also of `Orders`."""
        if len(reference) > MAX_TABLE_NAME or "!" in reference:
            return reference[:MAX_TABLE_NAME].rpartition("!")[0]
        is_sheet = _CELLS.match(reference) is None and any(name.startswith("spreadsheet") for name in self.values)
        return reference if is_sheet else ""

    def _is_table(self, name: str, value: str) -> bool:
        object_type = self.values.get("objecttype", self.values.get("type", "")).lower()
        if any(word in object_type for word in ("table", "view")) or (not object_type and self._schema):
            return True
        is_record_type = name == "objectname" and not object_type and value.isidentifier()
        return is_record_type and STORAGE_ARGUMENTS.isdisjoint(self.values)

    def _is_type_of_records(self, value: str) -> bool:
        """Return True for the type of the records of a CRM, and False for the kind of an object of a database."""
        has_name = self._has_object or self._schema or self._has_table
        return not has_name and value.isidentifier() and value.lower() not in NOT_OBJECT_TYPES
