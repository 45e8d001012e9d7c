"""Reads the tool declarations in a `tools/list` result: arguments that name tables, outputs that are lists, hints.

- Only explicit statements count, such as an argument described as "name of the table". A wrong table is worse than an
  unknown one.
- Bounded: `MAX_LIST` bytes of a result, `MAX_TOOLS` tools, `MAX_SCHEMA` bytes of each schema; the rest is ignored.
- Schemas are stored as JSON, `{"input": inputSchema, "output": outputSchema, "readOnly": true}`; the functions here
  call it `schemas`. A tool is read-only if all its declarations in a list have the `readOnlyHint` `true`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.metering.queries.languages import Language, described_language
from gateway.metering.vocabulary.arguments import (
    DATASET_ARGUMENTS,
    FILE_ARGUMENTS,
    QUERY_ARGUMENTS,
    SHEET_ARGUMENTS,
    SQL_ARGUMENTS,
    TABLE_ARGUMENTS,
)
from gateway.metering.vocabulary.members import METADATA_MEMBERS
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import MAX_TOOL_NAME

MAX_LIST = 1_048_576
"""Bytes of a `tools/list` result that is read."""
MAX_TOOLS = 500
"""Tools of one upstream."""
MAX_SCHEMA = 16 * 1024
"""Bytes of a schema; a larger one is ignored."""
MAX_PROPERTIES = 100
"""Properties of a schema that are read."""
MAX_SCHEMA_LEVELS = 3
"""Levels of nested objects, and of references, in a schema."""
MAX_RECORD_PATHS = 8
"""Lists of records in an output schema."""

_TABLE_WORD = r"(?:tables?|collections?|worksheets?|sheets?|views?|indexes|indices)"
_TABLE_DESCRIPTION = re.compile(
    r"\W{0,3}(?:(?:the|a|an|optional|required|full|exact|valid|existing|target|source|sql|database|db|specific)\s+){0,4}"
    rf"(?:names?\s+of\s+(?:the\s+|a\s+|an\s+)?(?:\w+\s+)?{_TABLE_WORD}|"
    rf"{_TABLE_WORD}\s+names?|{_TABLE_WORD}\s+(?:to|you want to)\s+\w+)"
    r"(?!\s+(?:columns?|patterns?|prefix|regex|filters?|fields?|schemas?|types?|formats?|of|size|range|rows?|that|new)\b)",
    re.IGNORECASE,
)
_OTHER_DESCRIPTION = re.compile(
    r"\b(?:pattern|wildcard|regex|glob|prefix|new (?:table|collection|sheet)|comma|json)\b", re.IGNORECASE
)


class ToolHints(msgspec.Struct, frozen=True):
    """The part of a tool's declaration that metering uses."""

    table_arguments: frozenset[str] = frozenset()
    """Normalized names of arguments that name a table."""
    record_paths: tuple[tuple[str, ...], ...] = ()
    """Paths of the lists of records in `structuredContent`, by the output schema."""
    query_languages: tuple[tuple[str, Language], ...] = ()
    """Normalized names of arguments whose description names a query language, with the language."""


class ToolList(msgspec.Struct, frozen=True):
    """The declarations in a `tools/list` result, which is a page of the list."""

    schemas: dict[str, bytes] = {}
    """The schemas of each tool."""
    read_only: frozenset[str] = frozenset()
    """The tools that are declared as read-only."""
    next_cursor: str = ""
    """The cursor of the next page; empty on the last one."""
    is_cut: bool = False
    """True if the page is malformed, too large, or has more than `MAX_TOOLS` tools, so that some are missing here."""


class _Tool(msgspec.Struct, rename="camel"):
    name: str
    input_schema: msgspec.Raw = msgspec.Raw(b"")
    output_schema: msgspec.Raw = msgspec.Raw(b"")
    annotations: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_read_only(self) -> bool:
        try:
            return bool(self.annotations) and _annotations_decoder.decode(self.annotations).read_only_hint
        except msgspec.MsgspecError:
            return False

    def schemas(self, *, is_read_only: bool) -> bytes:
        return msgspec.json.encode(_Schemas(_bounded(self.input_schema), _bounded(self.output_schema), is_read_only))


class _Annotations(msgspec.Struct, rename="camel"):
    read_only_hint: bool = False


class _Schemas(msgspec.Struct, rename="camel"):
    input: msgspec.Raw | None = None
    output: msgspec.Raw | None = None
    read_only: bool = False


class _Page(msgspec.Struct, rename="camel"):
    tools: list[msgspec.Raw]
    next_cursor: str | None = None


_annotations_decoder = msgspec.json.Decoder(_Annotations)
_page_decoder = msgspec.json.Decoder(_Page)
_tool_decoder = msgspec.json.Decoder(_Tool)


def _bounded(schema: msgspec.Raw) -> msgspec.Raw | None:
    return schema if 0 < len(bytes(schema)) <= MAX_SCHEMA else None


def parse_tool_list(result: bytes) -> ToolList:
    """Read a `tools/list` result; tools with a malformed declaration are left out."""
    if len(result) > MAX_LIST:
        return ToolList(is_cut=True)
    try:
        page = _page_decoder.decode(result)
    except (msgspec.MsgspecError, RecursionError):
        return ToolList(is_cut=True)
    tools: dict[str, _Tool] = {}
    writing: set[str] = set()
    for raw in page.tools[:MAX_TOOLS]:
        tool = _decode_tool(raw)
        if tool is not None and 0 < len(tool.name) <= MAX_TOOL_NAME:
            tools[tool.name] = tool
            if not tool.is_read_only:
                writing.add(tool.name)
    return ToolList(
        {name: tool.schemas(is_read_only=name not in writing) for name, tool in tools.items()},
        frozenset(tools.keys() - writing),
        page.next_cursor or "",
        len(page.tools) > MAX_TOOLS,
    )


def _decode_tool(raw: msgspec.Raw) -> _Tool | None:
    try:
        return _tool_decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None


def is_read_only(schemas: bytes) -> bool:
    """Return True if a tool is declared as read-only."""
    return _decode(schemas).get("readOnly") is True


def parse_hints(schemas: bytes) -> ToolHints:
    """Return the hints in a tool's schemas."""
    decoded = _decode(schemas)
    properties = _properties(decoded)
    arguments = frozenset(normalize_name(name) for name, schema in properties if _names_a_table(name, schema))
    return ToolHints(arguments, _record_paths(decoded), tuple(_query_languages(properties)))


def _query_languages(properties: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Language]]:
    for name, schema in properties:
        normalized = normalize_name(name)
        if normalized in QUERY_ARGUMENTS and (found := described_language(_description(schema)[:400])):
            yield normalized, found


def _record_paths(schemas: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the paths of the lists of objects in the output schema; of the lists of other values if it has none."""
    found = [one for one in _output_lists(schemas) if one[1]]
    best = min((is_other for is_other, _ in found), default=0)
    return tuple(path for is_other, path in found if is_other == best)[:MAX_RECORD_PATHS]


def table_arguments(schemas: bytes) -> list[str]:
    """Return the arguments of a tool that name a table, judged by name or description."""
    return [
        name
        for name, schema in _properties(_decode(schemas))
        if normalize_name(name) in TABLE_ARGUMENTS | SHEET_ARGUMENTS | DATASET_ARGUMENTS or _names_a_table(name, schema)
    ]


def list_paths(schemas: bytes) -> list[tuple[str, ...]]:
    """Return the paths of the lists in a tool's output schema, from `structuredContent` on; lists of objects first."""
    return [path for _, path in sorted(_output_lists(_decode(schemas)), key=lambda one: one[0])]


def _output_lists(schemas: dict[str, Any]) -> list[tuple[int, tuple[str, ...]]]:
    """Return the lists in the output schema as `_list_paths` yields them."""
    schema = schemas.get("output")
    return list(_list_paths(schema, (), schema, 0)) if isinstance(schema, dict) else []


def _list_paths(
    schema: Any, path: tuple[str, ...], root: dict[str, Any], depth: int
) -> Iterator[tuple[int, tuple[str, ...]]]:
    schema = _resolved(schema, root)
    if schema.get("type") == "array":
        items = _resolved(schema.get("items"), root)
        yield int(items.get("type") != "object"), path
    elif depth < MAX_SCHEMA_LEVELS and isinstance(properties := schema.get("properties"), dict):
        for name, inner in list(properties.items())[:MAX_PROPERTIES]:
            if normalize_name(name) not in METADATA_MEMBERS:
                yield from _list_paths(inner, (*path, name), root, depth + 1)


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` within the document, and the `anyOf` of an optional value."""
    for _ in range(MAX_SCHEMA_LEVELS):
        if not isinstance(schema, dict):
            return {}
        if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/$defs/"):
            definitions = root.get("$defs")
            schema = definitions.get(reference.removeprefix("#/$defs/")) if isinstance(definitions, dict) else None
        elif isinstance(choices := schema.get("anyOf"), list):
            schema = next((one for one in choices if isinstance(one, dict) and one.get("type") != "null"), None)
        else:
            return schema
    return {}


def _properties(schemas: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    schema = schemas.get("input")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return []
    return [(name, inner) for name, inner in list(properties.items())[:MAX_PROPERTIES] if isinstance(inner, dict)]


def _decode(schemas: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(schemas)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _names_a_table(name: str, schema: dict[str, Any]) -> bool:
    if normalize_name(name) in SQL_ARGUMENTS | FILE_ARGUMENTS | SHEET_ARGUMENTS:
        return False
    if schema.get("type", "string") not in ("string", "array"):
        return False
    text = _description(schema)
    return _TABLE_DESCRIPTION.match(text[:200]) is not None and _OTHER_DESCRIPTION.search(text[:400]) is None


def _description(schema: dict[str, Any]) -> str:
    text = schema.get("description") or schema.get("title")
    return text if isinstance(text, str) else ""
