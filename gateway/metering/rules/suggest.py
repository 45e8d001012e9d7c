"""Rules that an operator may want, for tools whose count is unknown.

Results are not kept, so a rule comes from what the tool declares of them: the lists in its output schema. What cannot
be told is left to the operator, as a comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.metering import tools

MAX_CHOICES = 5
"""Other lists and arguments that are named."""

_PLAIN = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_PATTERN_SIGNS = re.compile(r"[*?\[]")


class Counted(msgspec.Struct, frozen=True):
    """How often a tool was called, and how many of its counts are not known."""

    tool: str
    calls: int
    unknown: int


class Suggestion(msgspec.Struct, frozen=True):
    """What may be said of one tool."""

    tool: str
    calls: int
    unknown: int
    is_declared: bool
    """Whether a declaration of the tool was seen."""
    records: tuple[str, ...]
    """Expressions for its records, the likeliest first."""
    tables: tuple[str, ...]
    """Expressions for its tables, the likeliest first."""


def suggest(counted: Sequence[Counted], schemas: Mapping[str, bytes]) -> list[Suggestion]:
    """A suggestion for each tool with unknown counts, those with the most first. `schemas` are those that were
    learned, as `gateway.metering.tools` reads them."""
    wanting = sorted((one for one in counted if one.unknown), key=lambda one: (-one.unknown, one.tool))
    return [_suggest(one, schemas.get(one.tool)) for one in wanting]


def _suggest(counted: Counted, kept: bytes | None) -> Suggestion:
    lists = [] if kept is None else tools.lists(kept)
    arguments = [] if kept is None else tools.table_arguments(kept)
    return Suggestion(
        tool=counted.tool,
        calls=counted.calls,
        unknown=counted.unknown,
        is_declared=kept is not None,
        records=tuple(f"length({_path(('structuredContent', *path))})" for path in lists[: MAX_CHOICES + 1]),
        tables=tuple(_path(("arguments", name)) for name in arguments[: MAX_CHOICES + 1]),
    )


def _path(names: Sequence[str]) -> str:
    return ".".join(name if _PLAIN.match(name) else json.dumps(name) for name in names)


def to_toml(suggestions: Sequence[Suggestion]) -> str:
    """The suggestions as rules to paste into the file of settings; those that need a person's eye are comments."""
    return "\n".join("\n".join(_rule(one)) + "\n" for one in suggestions)


def _rule(one: Suggestion) -> Iterator[str]:
    share = 100 * one.unknown / one.calls if one.calls else 100
    yield f"# {_safe(one.tool)}: {one.unknown:,} of {one.calls:,} calls of unknown count ({share:.0f} %)"
    tool = _text(_PATTERN_SIGNS.sub(lambda sign: f"[{sign.group()}]", one.tool))
    if one.records:
        yield "[[metering.rule]]"
        yield f"tool = {tool}"
        yield from (f"tables = {_text(table)}" for table in one.tables[:1])
        yield f"records = {_text(one.records[0])}"
        yield from (f"# or: records = {_text(other)}" for other in one.records[1:])
        return
    yield (
        "# It declares no list in its output; look at an answer of it, and complete one of these:"
        if one.is_declared
        else "# No list of tools with it has passed yet; look at an answer of it, and complete one of these:"
    )
    yield "# [[metering.rule]]"
    yield f"# tool = {tool}"
    yield '# records = "length(structuredContent.…)"'
    yield '# records = "length(parse_json(content[0].text).…)"'


def _text(value: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(value)


def _safe(value: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in value)
