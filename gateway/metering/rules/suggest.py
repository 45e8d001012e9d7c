"""Suggests rules for tools whose record counts are unknown.

Results are not stored. A suggestion is based on the places in which doubtful counts found the records, and on the
tool's declaration: the lists in its output schema. Without both it is a template in comments, for the operator to
complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.metering import tool_declarations
from gateway.metering.confidence import Sign
from gateway.metering.metering_result import MAX_PATH

MAX_CHOICES = 5
"""Alternatives that are listed for each expression."""

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_STRUCTURED = re.compile(r"structuredContent(?:\.[A-Za-z_]\w{0,40}){0,20}\Z", re.ASCII)
_JSON_TEXT = re.compile(r"text (\d{1,3}): JSON(?: ([A-Za-z_]\w{0,40}(?:\.[A-Za-z_]\w{0,40}){0,20}))?\Z", re.ASCII)
_LISTS = frozenset((Sign.COMMON_LIST, Sign.OTHER_LIST, Sign.WHOLE_LIST, Sign.NAMED_LIST, Sign.COLUMN_LIST))
"""Signs of a count that is the length of the list at its path."""
_SIGNS = frozenset(Sign)
_WILDCARDS = re.compile(r"[*?\[]")


class ToolUsage(msgspec.Struct, frozen=True):
    """The number of a tool's calls, and of those whose record count is unknown."""

    tool: str
    calls: int
    unknown: int


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a tool whose records were found at one place, but whose count is too doubtful to report."""

    tool_name: str
    count_path: str
    count_signs: tuple[str, ...]
    calls: int
    confidence: float | None


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
    doubts: tuple[Doubt, ...] = ()
    """The doubtful counts of its calls, those with the most calls first."""


def suggest(usage: Sequence[ToolUsage], schemas: Mapping[str, bytes], doubts: Sequence[Doubt] = ()) -> list[Suggestion]:
    """Suggest a rule for each tool with unknown counts, the tools with the most of them first.

    `schemas` are those of each declared tool, as `tool_declarations.ToolList` has them.
    """
    unknown = sorted((one for one in usage if one.unknown), key=lambda one: (-one.unknown, one.tool))
    return [
        _suggest(one, schemas.get(one.tool), tuple(doubt for doubt in doubts if doubt.tool_name == one.tool))
        for one in unknown
    ]


def _suggest(usage: ToolUsage, schemas: bytes | None, doubts: tuple[Doubt, ...]) -> Suggestion:
    lists = [] if schemas is None else tool_declarations.list_paths(schemas)
    arguments = [] if schemas is None else tool_declarations.table_arguments(schemas)
    found = [expression for doubt in doubts if (expression := _expression(doubt)) is not None]
    declared = [f"length({_path(('structuredContent', *path))})" for path in lists]
    return Suggestion(
        tool=usage.tool,
        calls=usage.calls,
        unknown=usage.unknown,
        is_declared=schemas is not None,
        records=tuple(dict.fromkeys([*found, *declared]))[: MAX_CHOICES + 1],
        tables=tuple(_path(("arguments", name)) for name in arguments[: MAX_CHOICES + 1]),
        doubts=doubts[:MAX_CHOICES],
    )


def _expression(doubt: Doubt) -> str | None:
    """Return the expression for the list at a doubtful path; `None` if it is no list, or part of its path unknown.

    `length()` of a text is its number of characters, so only paths of lists have an expression.
    """
    if _LISTS.isdisjoint(doubt.count_signs) or "*" in doubt.count_path or len(doubt.count_path) >= MAX_PATH:
        return None
    if _STRUCTURED.match(doubt.count_path):
        return f"length({doubt.count_path})"
    if (match := _JSON_TEXT.match(doubt.count_path)) is not None:
        number, inner = match.groups()
        return f"length(parse_json(content[{int(number) - 1}].text){'.' + inner if inner else ''})"
    return None


def _path(names: Sequence[str]) -> str:
    return ".".join(name if _IDENTIFIER.match(name) else json.dumps(name) for name in names)


def to_toml(suggestions: Sequence[Suggestion]) -> str:
    """Format the suggestions as rules for the configuration file; incomplete ones are comments."""
    return "\n".join("\n".join(_rule(one)) + "\n" for one in suggestions)


def _rule(one: Suggestion) -> Iterator[str]:
    share = 100 * one.unknown / one.calls if one.calls else 100
    yield f"# {_printable(one.tool)}: {one.unknown:,} of {one.calls:,} calls of unknown count ({share:.0f} %)"
    yield from map(_comment, one.doubts)
    tool = _toml_string(_WILDCARDS.sub(lambda match: f"[{match.group()}]", one.tool))
    if one.records:
        if any(_expression(doubt) is not None for doubt in one.doubts):
            yield "# The rule below counts the first of these places; compare it with one of the results before use."
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


def _comment(doubt: Doubt) -> str:
    sure = "" if doubt.confidence is None else f"{100 * doubt.confidence:.0f} %, "
    signs = "; ".join(Sign(sign).text for sign in doubt.count_signs if sign in _SIGNS)
    return f"# In doubt ({sure}{doubt.calls:,} calls): {_printable(doubt.count_path)}{': ' + signs if signs else ''}"


def _toml_string(value: str) -> str:
    """Format a TOML string; JSON's escapes are valid in TOML."""
    return json.dumps(value)


def _printable(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value)
