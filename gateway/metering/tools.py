"""What the declarations of tools, as `tools/list` answers them, tell the metering.

Rules:
- Only what a declaration says outright is taken: an argument whose description is that it is the name of a table. A
  wrong table is worse than an unknown one.
- Bounded: `MAX_LIST` bytes of an answer, `MAX_TOOLS` tools, `MAX_SCHEMA` bytes of a tool's schemas; the rest is not
  learned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.metering import names

MAX_LIST = 1_048_576
"""Bytes of an answer that is learned from."""
MAX_TOOLS = 500
MAX_SCHEMA = 16 * 1024
"""Bytes of the schemas of one tool."""
MAX_ARGUMENTS = 100
"""Arguments of a tool that are looked at."""
MAX_DEPTH = 3
"""Objects in an output schema that are looked into."""

_THING = r"(?:tables?|collections?|worksheets?|sheets?|views?|indexes|indices)"
_NAMES_A_TABLE = re.compile(
    r"\W{0,3}(?:(?:the|a|an|optional|required|full|exact|valid|existing|target|source|sql|database|db|specific)\s+){0,4}"
    rf"(?:names?\s+of\s+(?:the\s+|a\s+|an\s+)?(?:\w+\s+)?{_THING}|"
    rf"{_THING}\s+names?|{_THING}\s+(?:to|you want to)\s+\w+)"
    r"(?!\s+(?:columns?|patterns?|prefix|regex|filters?|fields?|schemas?|types?|formats?|of|size|range|rows?|that|new)\b)",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:pattern|wildcard|regex|glob|prefix|new (?:table|collection|sheet)|comma|json)\b", re.IGNORECASE
)


class ToolHints(msgspec.Struct, frozen=True):
    """What a tool's declaration tells the metering."""

    table_arguments: frozenset[str] = frozenset()
    """Plain names of arguments that name a table."""


class ToolSchemas(msgspec.Struct, frozen=True, rename="camel"):
    """The schemas of one tool, as far as they are there and small."""

    name: str
    input_schema: msgspec.Raw = msgspec.Raw(b"")
    output_schema: msgspec.Raw = msgspec.Raw(b"")

    def to_json(self) -> bytes:
        """The schemas alone, as they are kept."""
        return msgspec.json.encode(_Kept(_of_size(self.input_schema), _of_size(self.output_schema)))


class _Kept(msgspec.Struct):
    input: msgspec.Raw | None = None
    output: msgspec.Raw | None = None


class _Tools(msgspec.Struct):
    tools: list[msgspec.Raw]


def _of_size(schema: msgspec.Raw) -> msgspec.Raw | None:
    return schema if 0 < len(bytes(schema)) <= MAX_SCHEMA else None


def read_tools(result: bytes) -> dict[str, bytes]:
    """The schemas of each tool in a result of `tools/list`, as they are kept. Of what is none, none."""
    if len(result) > MAX_LIST:
        return {}
    found: dict[str, bytes] = {}
    try:
        for tool in msgspec.json.decode(result, type=_Tools).tools[:MAX_TOOLS]:
            schemas = msgspec.json.decode(tool, type=ToolSchemas)
            if 0 < len(schemas.name) <= names.MAX_TOOL:
                found[schemas.name] = schemas.to_json()
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found


def read_hints(kept: bytes) -> ToolHints:
    """What the schemas of a tool, as they are kept, tell."""
    arguments = frozenset(names.plain(name) for name, schema in _arguments(kept) if _is_name_of_table(name, schema))
    return ToolHints(arguments)


def table_arguments(kept: bytes) -> list[str]:
    """The arguments of a tool that name a table, by their name or by what is said of them."""
    return [
        name
        for name, schema in _arguments(kept)
        if names.plain(name) in names.TABLE_ARGUMENTS | names.SHEET_ARGUMENTS | names.DATASET_ARGUMENTS
        or _is_name_of_table(name, schema)
    ]


def lists(kept: bytes) -> list[tuple[str, ...]]:
    """Where, from `structuredContent` on, the output schema of a tool has lists; those of objects first."""
    schema = _decoded(kept).get("output")
    found = list(_lists(schema, (), schema, 0)) if isinstance(schema, dict) else []
    return [path for _, path in sorted(found, key=lambda one: one[0])]


def _lists(
    schema: Any, path: tuple[str, ...], root: dict[str, Any], depth: int
) -> Iterator[tuple[int, tuple[str, ...]]]:
    schema = _resolved(schema, root)
    if schema.get("type") == "array":
        items = _resolved(schema.get("items"), root)
        yield int(items.get("type") != "object"), path
    elif depth < MAX_DEPTH and isinstance(properties := schema.get("properties"), dict):
        for name, inner in list(properties.items())[:MAX_ARGUMENTS]:
            if names.plain(name) not in names.ABOUT:
                yield from _lists(inner, (*path, name), root, depth + 1)


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, behind a `$ref` within the document and the `anyOf` of something optional."""
    for _ in range(MAX_DEPTH):
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


def _arguments(kept: bytes) -> list[tuple[str, dict[str, Any]]]:
    schema = _decoded(kept).get("input")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return []
    return [(name, inner) for name, inner in list(properties.items())[:MAX_ARGUMENTS] if isinstance(inner, dict)]


def _decoded(kept: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(kept)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_name_of_table(name: str, schema: dict[str, Any]) -> bool:
    if names.plain(name) in names.SQL_ARGUMENTS | names.FILE_ARGUMENTS | names.SHEET_ARGUMENTS:
        return False
    text = schema.get("description") or schema.get("title")
    if not isinstance(text, str) or schema.get("type", "string") not in ("string", "array"):
        return False
    return _NAMES_A_TABLE.match(text[:200]) is not None and _NOT.search(text[:400]) is None
