"""Lists of names: bullet lists, one name per line, or names separated by commas.

Only a tool whose name says that it lists, finds or describes something returns such a list. Its lines are short and all
of one type; anything else is prose.
"""

from __future__ import annotations

import re
from itertools import takewhile

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import Count, counted
from gateway.metering.text.lines import stated_count
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_listing_or_describing_tool, is_listing_tool, is_named_after_tool

MAX_LIST_LINES = 4_000
"""Lines (about 0.4 µs each)."""
MAX_LIST_CHARACTERS = 256 * 1024
"""Characters."""
MAX_LIST_HEADINGS = 3
"""Lines before the list."""
MAX_NAME = 300
"""Characters of a line."""

_TAGGED = re.compile(r"\[\w{1,20}\]\s+\S")
_BULLET = re.compile(r"\s{0,3}[-*•]\s+\S")
_PATH = re.compile(r"(?:[A-Za-z]:\\|\.{0,2}/|~/|\w+://)\S|[^\s/]+/\S+\Z")
_NAME = re.compile(r"[\w$.\"`-]+\Z")
_NAMES = re.compile(r"[\w$.\"`-]{1,128}(?:, ?[\w$.\"`-]{1,128})*\Z")
_FIELD = re.compile(r"[A-Z]\w{0,20}: \S{1,80}\Z")
_NAMES_HEADER = re.compile(
    r"(?:tables|databases|views)_in_\S+\Z|(?:table|database|schema|view)?_?names?\Z|database\Z|schema\Z", re.IGNORECASE
)
_FREQUENCY = re.compile(
    r"\S.{0,200}?(?: \(\w{1,20}: ?\d[\d,]{0,12}\)| \(\d[\d,]{0,12}(?: \w{1,20})?\)|: \d[\d,]{0,12})\Z"
)
"""A value and its frequency: `red (12)`, `red: 12`."""
_STATUS_WORDS = frozenset(
    ("success", "successful", "ok", "okay", "done", "none", "null", "true", "false", "yes", "no", "empty")
)
_HEADING = re.compile(r"(#{1,6}) +\S")
_LABELLED = re.compile(r"[A-Za-z]{2,20}: \S[^\n]{0,200}\Z")
_MARKED = re.compile(r"[* ] [\w./@-]+\s*\Z")
_COLUMNS = re.compile(r"[#*\s]{0,6}(?:columns|fields)(?:\s*\(\d{1,4}\))?\**\s*:?\**\s*\Z", re.IGNORECASE)
_COUNT = re.compile(r"\((\d{1,4})\)")
_NUMBER = re.compile(r"(\d{1,6})[.)]\s")


def count(text: str, arguments: ParsedArguments) -> Count | None:
    """Count the entries in `text`; `None` if it is not a list."""
    if len(text) > MAX_LIST_CHARACTERS or text.count("\n") > MAX_LIST_LINES:
        return None
    if (marked := _count_marked(text)) is not None:
        return counted(marked, "lines_text")
    if (
        is_listing_or_describing_tool(arguments.tool)
        and (entries := _count_column_section(text.split("\n"))) is not None
    ):
        return counted(entries, "lines_text")
    if arguments.returns_rows and (rows := _count_numbered(text.split("\n"))) is not None and rows > 1:
        return counted(rows, "rows_text")
    if arguments.lists_names and (named := _count_under_header(text)) is not None:
        return counted(named, "lines_text")
    return _count_names(text, arguments) if is_listing_tool(arguments.tool) else None


def _count_names(text: str, arguments: ParsedArguments) -> Count | None:
    """Count the entries in the result of a listing tool."""
    if text.lower().strip(".!") in _STATUS_WORDS:
        return None
    if "\n" not in text and len(text) <= 20_000 and _NAMES.match(text):
        return counted(text.count(",") + 1, "names_text")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    if (entries := _count_labelled(lines, arguments) or _count_headings(lines)) is not None:
        return counted(entries, "lines_text")
    for _ in range(MAX_LIST_HEADINGS):
        if len(lines) > 1 and _is_heading(lines[0]):
            lines = lines[1:]
    if len(lines) == 1 and "," in lines[0] and len(lines[0]) <= 20_000 and _NAMES.match(lines[0]):
        return counted(lines[0].count(",") + 1, "names_text")
    if (entries := _count_numbered(lines)) is not None or (entries := _count_bullets(lines)) is not None:
        return counted(entries, "lines_text")
    for pattern in (_FREQUENCY, _TAGGED, _BULLET, _PATH, _NAME):
        listed = list(takewhile(lambda line: len(line) <= MAX_NAME and pattern.match(line), lines))  # noqa: B023
        if (
            listed
            and len(lines) - len(listed) <= 2
            and all(stated_count(line) is not None for line in lines[len(listed) :][:1])
        ):
            return counted(len(listed), "lines_text")
    return None


def _count_under_header(text: str) -> int | None:
    """Count the names below the header of a database's listing, such as `Tables_in_shop`."""
    lines = [line.strip() for line in text.split("\n")]
    return len(lines) - 1 if _NAMES_HEADER.match(lines[0]) and all(map(_NAME.match, lines)) else None


def _count_marked(text: str) -> int | None:
    """Count the names in a list that marks the current one: `* main`, `  topic`."""
    lines = text.split("\n")
    lines[0] = lines[0] if lines[0][:1] == "*" else "  " + lines[0]  # its leading white space was stripped
    if len(lines) < 2 or sum(line[:2] == "* " for line in lines) != 1:
        return None
    return len(lines) if all(_MARKED.match(line[:MAX_NAME]) for line in lines) else None


def _count_column_section(lines: list[str]) -> int | None:
    """Count the columns in a description of a table: the entries below its heading "Columns"."""
    headings = [at for at, line in enumerate(lines) if _COLUMNS.match(line[:MAX_NAME])]
    if len(headings) != 1:
        return None
    entries, first = 0, ""
    for line in lines[headings[0] + 1 :]:
        if not line.strip():
            continue
        first = first or line
        depth, shallowest = _depth(line), _depth(first)
        is_entry = depth == shallowest and bool(_BULLET.match(line)) == bool(_BULLET.match(first))
        if depth < shallowest or (depth == shallowest and not is_entry):
            break
        entries += is_entry
    is_plain = _depth(first) == 0 and not _BULLET.match(first)
    stated = _COUNT.search(lines[headings[0]])
    return None if not entries or is_plain or (stated and int(stated.group(1)) != entries) else entries


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_heading(line: str) -> bool:
    if _TAGGED.match(line) or _BULLET.match(line) or _NUMBER.match(line[:20]):
        return False
    return (
        line.rstrip().endswith(":")
        or line[:1] == "#"
        or stated_count(line) is not None
        or _FIELD.match(line) is not None
    )


def _count_headings(lines: list[str]) -> int | None:
    """Count the Markdown headings of one level, with little text before the first."""
    levels = [match.group(1) for line in lines if (match := _HEADING.match(line[:MAX_NAME])) is not None]
    deepest = max(levels, default="")
    first = next((at for at, line in enumerate(lines) if line.startswith(deepest + " ")), 0)
    if len(deepest) < 2 or first > MAX_LIST_HEADINGS or any(level != deepest for level in levels[first > 0 :]):
        return None
    entries = levels.count(deepest)
    return entries if entries > 1 or any(stated_count(line) == entries for line in lines[:first]) else None


def _count_bullets(lines: list[str]) -> int | None:
    """Count the bullets that are followed by indented details."""
    if not lines or not _BULLET.match(lines[0]) or all(map(_BULLET.match, lines)):
        return None
    depth = _depth(lines[0])
    starts = [line for line in lines if _depth(line) == depth]
    is_list = all(map(_BULLET.match, starts)) and all(_depth(line) >= depth for line in lines)
    return len(starts) if is_list else None


def _count_labelled(lines: list[str], arguments: ParsedArguments) -> int | None:
    """Count the lines that begin with the same label: `Table: orders`."""
    labels = {line.partition(":")[0] for line in lines}
    if len(labels) != 1 or not all(map(_LABELLED.match, lines)):
        return None
    is_several = len(lines) > 1 and is_listing_tool(arguments.tool)
    return len(lines) if is_several or is_named_after_tool(normalize_name(labels.pop() + "s"), arguments.tool) else None


def _count_numbered(lines: list[str]) -> int | None:
    """Count the entries "1. …", "2. …", possibly followed by indented details."""
    if not lines or not _NUMBER.match(lines[0][:20]):
        return None
    expected = 0
    for line in lines:
        match = _NUMBER.match(line[:20])
        if match and int(match.group(1)) == expected + 1:
            expected += 1
        elif not line.startswith((" ", "\t")):
            return expected if line is lines[-1] and stated_count(line) == expected else None
    return expected
