"""Suggests rules for tools whose record counts are unknown.

Results are not stored, so a suggestion is based on the tool's declaration: the lists in its output schema. Without
them it is a template in comments, for the operator to complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.metering import tool_declarations

MAX_CHOICES = 5
"""Alternatives that are listed for each expression."""

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_WILDCARDS = re.compile(r"[*?\[]")


class ToolUsage(msgspec.Struct, frozen=True):
    """The number of a tool's calls, and of those whose record count is unknown."""

    tool: str
    calls: int
    unknown: int


class Suggestion(msgspec.Struct, frozen=True):
    """Expressions for a rule for one tool."""

    tool: str
    calls: int
    unknown: int
    is_declared: bool
    """True if a declaration of the tool is known."""
    records: tuple[str, ...]
    """Expressions for its records, the most likely first."""
    tables: tuple[str, ...]
    """Expressions for its tables, the most likely first."""


def suggest(usage: Sequence[ToolUsage], schemas: Mapping[str, bytes]) -> list[Suggestion]:
    """Suggest a rule for each tool with unknown counts, the tools with the most of them first.

    `schemas` are those of each declared tool, as `tool_declarations.ToolList` has them.
    """
    unknown = sorted((one for one in usage if one.unknown), key=lambda one: (-one.unknown, one.tool))
    return [_suggest(one, schemas.get(one.tool)) for one in unknown]


def _suggest(usage: ToolUsage, schemas: bytes | None) -> Suggestion:
    lists = [] if schemas is None else tool_declarations.list_paths(schemas)
    arguments = [] if schemas is None else tool_declarations.table_arguments(schemas)
    return Suggestion(
        tool=usage.tool,
        calls=usage.calls,
        unknown=usage.unknown,
        is_declared=schemas is not None,
        records=tuple(f"length({_path(('structuredContent', *path))})" for path in lists[: MAX_CHOICES + 1]),
        tables=tuple(_path(("arguments", name)) for name in arguments[: MAX_CHOICES + 1]),
    )


def _path(names: Sequence[str]) -> str:
    return ".".join(name if _IDENTIFIER.match(name) else json.dumps(name) for name in names)


def to_toml(suggestions: Sequence[Suggestion]) -> str:
    """Format the suggestions as rules for the configuration file; incomplete ones are comments."""
    return "\n".join("\n".join(_rule(one)) + "\n" for one in suggestions)


def _rule(one: Suggestion) -> Iterator[str]:
    share = 100 * one.unknown / one.calls if one.calls else 100
    yield f"# {_printable(one.tool)}: {one.unknown:,} of {one.calls:,} calls of unknown count ({share:.0f} %)"
    tool = _toml_string(_WILDCARDS.sub(lambda match: f"[{match.group()}]", one.tool))
    if one.records:
        yield "[[metering.rule]]"
        yield f"tool = {tool}"
        yield from (f"tables = {_toml_string(table)}" for table in one.tables[:1])
        yield f"records = {_toml_string(one.records[0])}"
        yield from (f"# or: records = {_toml_string(other)}" for other in one.records[1:])
        return
    yield (
        "# It declares no list in its output schema; look at one of its results, and complete one of these:"
        if one.is_declared
        else "# Its declaration is not known yet; look at one of its results, and complete one of these:"
    )
    yield "# [[metering.rule]]"
    yield f"# tool = {tool}"
    yield '# records = "length(structuredContent.…)"'
    yield '# records = "length(parse_json(content[0].text).…)"'


def _toml_string(value: str) -> str:
    """Format a TOML string; JSON's escapes are valid in TOML."""
    return json.dumps(value)


def _printable(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value)
