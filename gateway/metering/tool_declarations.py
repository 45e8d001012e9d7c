"""Reads the tool declarations in a `tools/list` result: which arguments name tables, which outputs are lists.

- Only explicit statements count, such as an argument described as "name of the table". A wrong table is worse than an
  unknown one.
- Bounded: `MAX_LIST` bytes of a result, `MAX_TOOLS` tools, `MAX_SCHEMA` bytes of each schema; the rest is ignored.
- Schemas are stored as JSON, `{"input": inputSchema, "output": outputSchema}`; the functions here call it `schemas`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.metering import vocabulary

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


class _Tool(msgspec.Struct, rename="camel"):
    name: str
    input_schema: msgspec.Raw = msgspec.Raw(b"")
    output_schema: msgspec.Raw = msgspec.Raw(b"")

    def schemas(self) -> bytes:
        return msgspec.json.encode(_Schemas(_bounded(self.input_schema), _bounded(self.output_schema)))


class _Schemas(msgspec.Struct):
    input: msgspec.Raw | None = None
    output: msgspec.Raw | None = None


class _ToolList(msgspec.Struct):
    tools: list[msgspec.Raw]


def _bounded(schema: msgspec.Raw) -> msgspec.Raw | None:
    return schema if 0 < len(bytes(schema)) <= MAX_SCHEMA else None


def parse_tool_list(result: bytes) -> dict[str, bytes]:
    """Return each tool's schemas in a `tools/list` result; none if it is malformed or too large."""
    if len(result) > MAX_LIST:
        return {}
    found: dict[str, bytes] = {}
    try:
        for tool in msgspec.json.decode(result, type=_ToolList).tools[:MAX_TOOLS]:
            declared = msgspec.json.decode(tool, type=_Tool)
            if 0 < len(declared.name) <= vocabulary.MAX_TOOL_NAME:
                found[declared.name] = declared.schemas()
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found


def parse_hints(schemas: bytes) -> ToolHints:
    """Return the hints in a tool's schemas."""
    arguments = frozenset(
        vocabulary.normalize(name) for name, schema in _properties(schemas) if _names_a_table(name, schema)
    )
    return ToolHints(arguments)


def table_arguments(schemas: bytes) -> list[str]:
    """Return the arguments of a tool that name a table, judged by name or description."""
    return [
        name
        for name, schema in _properties(schemas)
        if vocabulary.normalize(name)
        in vocabulary.TABLE_ARGUMENTS | vocabulary.SHEET_ARGUMENTS | vocabulary.DATASET_ARGUMENTS
        or _names_a_table(name, schema)
    ]


def list_paths(schemas: bytes) -> list[tuple[str, ...]]:
    """Return the paths of the lists in a tool's output schema, from `structuredContent` on; lists of objects first."""
    schema = _decode(schemas).get("output")
    found = list(_list_paths(schema, (), schema, 0)) if isinstance(schema, dict) else []
    return [path for _, path in sorted(found, key=lambda one: one[0])]


def _list_paths(
    schema: Any, path: tuple[str, ...], root: dict[str, Any], depth: int
) -> Iterator[tuple[int, tuple[str, ...]]]:
    schema = _resolved(schema, root)
    if schema.get("type") == "array":
        items = _resolved(schema.get("items"), root)
        yield int(items.get("type") != "object"), path
    elif depth < MAX_SCHEMA_LEVELS and isinstance(properties := schema.get("properties"), dict):
        for name, inner in list(properties.items())[:MAX_PROPERTIES]:
            if vocabulary.normalize(name) not in vocabulary.METADATA_MEMBERS:
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


def _properties(schemas: bytes) -> list[tuple[str, dict[str, Any]]]:
    schema = _decode(schemas).get("input")
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
    if vocabulary.normalize(name) in vocabulary.SQL_ARGUMENTS | vocabulary.FILE_ARGUMENTS | vocabulary.SHEET_ARGUMENTS:
        return False
    text = schema.get("description") or schema.get("title")
    if not isinstance(text, str) or schema.get("type", "string") not in ("string", "array"):
        return False
    return _TABLE_DESCRIPTION.match(text[:200]) is not None and _OTHER_DESCRIPTION.search(text[:400]) is None
