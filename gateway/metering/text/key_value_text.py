"""Records as key-value text: numbered headings ("1. row"), key-value blocks, YAML lists.

Numbered headings count only if the last number equals the number of headings; blocks only if all begin with the same
key. A single block is one object. In a long text it counts characters.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text.line_marks import BULLET, ITEM, MAX_MATCHED, RULE, RULE_STARTS
from gateway.metering.text.line_types import IDENTIFYING
from gateway.metering.text.lines import EDGE, is_blank, split_blocks
from gateway.metering.text.lists import grouped_lists, headed_sections
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_describing_tool, is_listing_or_describing_tool, is_listing_tool

MAX_LINES_BEFORE = 5
"""First lines, in which the heading of the first record has to be."""

MAX_TITLES = 2
"""Markdown headings of a text about one entity."""

MIN_FIELDS = 3
"""Fields of an entity."""

_WORD = r"(?:row|record|result|item|document|entry|match|hit)"
_NUMBERED = re.compile(
    rf"([\W_]{{0,40}}(?:{_WORD}[\W_]{{1,4}}|#{{1,4}} ?|\u7b2c ?))(\d{{1,8}})(?:\b|(?=[\u4e00-\u9fff]))|"
    rf"([\W_]{{0,40}})(\d{{1,8}})([.)\]:#] ?{_WORD}\b[\W_]{{0,40}})\Z",
    re.IGNORECASE,
)
_KEY = re.compile(r"[ \t*>-]{0,12}([\w\"'][\w .()/#'\"+-]{0,60}?)\**(?:\s?(?::(?:\s|\Z)|\uff1a)|\s=(?:\s|\Z))")
_BOLD_LABEL = re.compile(r"\*\*([^*\n]{1,60}?)(?:[:\uff1a]\*\*|\*\*\s?[:\uff1a])")
_CALL = re.compile(r"\w+\([^()]{0,40}\)\Z")
_WORD_ALONE = re.compile(r"\s{1,12}[^\s:*-][^\s:]*\Z")
_OUTER_KEY = re.compile(r"[\w.\"-]{1,80}:\Z")


def count(text: str, lines: list[str] | None, arguments: ParsedArguments, heading: str) -> Count | None:
    """Count the records in `text`, which is below `heading`; `None` if it is not key-value text."""
    if (total := _count_numbered(text)) is not None and not (lines and headed_sections.hold_only_items(lines)):
        return counted(total, "rows_text")
    if ":" not in text[:EDGE] and "\uff1a" not in text[:EDGE] and " = " not in text[:EDGE]:
        return None
    if lines is None:
        return _count_long_blocks(text)
    is_listing = is_listing_tool(arguments.tool) and not is_describing_tool(arguments.tool)
    found = _count_yaml(lines) or _count_key_value_blocks(lines, heading, is_listing)
    if found is None and "**" in text and not arguments.returns_rows and _has_bold_fields(lines):
        found = Count(1, "fields_text", CountKind.OBJECT)
    if found is not None and found.kind is CountKind.OBJECT and is_listing and _is_entity(lines):
        return counted(1, found.method)
    if found is not None and found.kind is CountKind.OBJECT and is_listing_or_describing_tool(arguments.tool):
        return None  # a description of a table is not a record of it
    return found


def _is_entity(lines: list[str]) -> bool:
    """Return True if one of the first fields is an id or title, such as those of the only hit of a search."""
    filled = [line.replace("*", "") for line in lines if line.strip()]
    first = [normalize_name(key) for line in filled[:2] if (key := _key(line)) is not None]
    return len(filled) >= MIN_FIELDS and not IDENTIFYING.isdisjoint(first)


def _has_bold_fields(lines: list[str]) -> bool:
    """Return True if a text has two or more labels in bold type, none of them twice: one entity, with texts."""
    labels = [match.group(1) for line in lines if (match := _BOLD_LABEL.match(line[:MAX_MATCHED])) is not None]
    headings = sum(line.startswith("#") for line in lines)
    return len(labels) > 1 and len(set(labels)) == len(labels) and headings <= MAX_TITLES


def _count_numbered(text: str) -> int | None:
    start = 0
    for line in text[:EDGE].split("\n", MAX_LINES_BEFORE)[:MAX_LINES_BEFORE]:
        match = _NUMBERED.match(line[:MAX_MATCHED])
        if match and (match.group(2) or match.group(4)) in ("0", "1"):
            return (
                _count_word_first(text[start:], match) if match.group(2) else _count_number_first(text[start:], match)
            )
        start += len(line) + 1
    return None


def _count_word_first(text: str, match: re.Match[str]) -> int | None:
    """Count the headings like "Row 1", if the number of the last one agrees."""
    before, first = match.group(1), int(match.group(2))
    separator = "\n" + before
    total = text.count(separator) + 1
    at = text.rfind(separator)
    last = text[at + len(separator) :][:10] if at >= 0 else str(first)
    if total == 1 and before.strip("# ") == "":
        return None
    return _confirmed(total, last, first) if "\n" in text or ":" in text else None


def _count_number_first(text: str, match: re.Match[str]) -> int | None:
    """Count the headings like "1. row", if the number of the last one agrees."""
    before, first, separator = match.group(3), int(match.group(4)), match.group(5) + "\n"
    total = text.count(separator)
    at = text.rfind(separator)
    last = text[max(0, at - 10 - len(before)) : at].rpartition("\n")[2].removeprefix(before)
    return _confirmed(total, last, first) if total else None


def _confirmed(total: int, last: str, first: int) -> int | None:
    number = re.match(r"\d{1,8}", last)
    return total if number and int(number.group()) == first + total - 1 else None


def _count_long_blocks(text: str) -> Count | None:
    """Count the blocks that begin with the same key, after blank lines, lines of dashes or a YAML dash."""
    key = _KEY.match(text[:MAX_MATCHED])
    if key is None:
        return None
    begin = text[: key.end()].removeprefix("- ")
    separator = next((separator for separator in ("\n- ", "\n\n", "\n---\n") if separator + begin in text[:EDGE]), None)
    if separator is None:
        return None
    total = text.count(separator + begin) + 1
    if total - 1 <= text.count(separator) <= total:
        return counted(total, "yaml_text" if separator == "\n- " else "blocks_text")
    return UNKNOWN_COUNT


def _count_yaml(lines: list[str]) -> Count | None:
    """Count the entries of a YAML list of maps or map of maps."""
    items = [line for line in lines if line.startswith(("- ", "  - "))]
    if items and _KEY.match(items[0][:MAX_MATCHED]):
        indent = "- " if items[0].startswith("- ") else "  - "
        same = [line for line in lines if line.startswith(indent)]
        first = lines.index(same[0])
        is_inner = all(line.startswith((" ", "- ")) or not line for line in lines[first:])
        is_first = all(not line.strip() or line.rstrip().endswith(":") for line in lines[:first])
        is_json = len(same) == 1 and same[0].partition(": ")[2][:1] in ("{", "[")
        if is_inner and is_first and not is_json and len({_key(line) for line in same}) == 1:
            return counted(len(same), "yaml_text")
    outer = [line for line in lines if line and not line.startswith((" ", "\t"))]
    inner = [line for line in lines if line[:1] in (" ", "\t")]
    if not outer or not inner or not all(len(line) <= 82 and _OUTER_KEY.match(line) for line in outer):
        return None
    if all(_WORD_ALONE.match(line) for line in inner):
        return counted(len(inner), "names_text")  # names below their folders
    is_map = len(outer) > 1 or all(_key(line) is not None for line in inner)
    return counted(grouped_lists.count(lines) or len(outer), "yaml_text") if is_map else None


def _key(line: str) -> str | None:
    match = _KEY.match(line[:MAX_MATCHED])
    if match is None or ("(" in match.group(1) and not _CALL.match(match.group(1))):
        return None
    return match.group(1).lower()


def _ends_block(line: str) -> bool:
    return not line or (line[0] in RULE_STARTS and (is_blank(line) or RULE.match(line[:MAX_MATCHED]) is not None))


def _count_key_value_blocks(lines: list[str], heading: str, is_listing: bool) -> Count | None:
    found = split_blocks(lines, _ends_block)
    if len(found) > 1 and len(found[0]) == 1 and len(found[1]) > 1:
        heading = found.pop(0)[0]
    first = _key(found[0][0]) if found else None
    if len(found) > 1 and (_have_titles(found) or _have_titles([[heading, *found[0]], *found[1:]])):
        return counted(len(found), "blocks_text")
    if first is None or any(len(block) < 2 or _key(block[0]) != first for block in found):
        return None
    if any(line[:1] not in (" ", "\t") and _key(line) is None for block in found for line in block[1:]):
        return None
    if len(found) == 1:
        outer = [line for line in found[0] if not line.startswith((" ", "\t"))]
        is_repeated = len({_key(line) for line in outer}) < len(outer)
        if (
            heading.rstrip().endswith(":")
            and first in heading.lower()
            and is_listing
            and not is_repeated
            and len(outer) > 1
            and not any(ITEM.match(line[:MAX_MATCHED]) for line in outer)
        ):
            return counted(1, "blocks_text")
        is_list = is_repeated or any(BULLET.match(line) or line[0].isdecimal() for line in found[0])
        return None if is_list else Count(1, "fields_text", CountKind.OBJECT)
    return counted(len(found), "blocks_text")


def _have_titles(blocks: list[list[str]]) -> bool:
    """Return True if each block has a title of its own above the same two fields or more: `Tonight:`, `Wind: 5 kn`."""
    keys = [[_key(line) for line in block[1:]] for block in blocks]
    if any(len(block) < MIN_FIELDS or None in block for block in keys) or len({block[0] for block in keys}) > 1:
        return False
    titles = {block[0].strip() for block in blocks}
    is_title = all(_key(title) is None or title.endswith(":") for title in titles)
    return is_title and len(titles) == len(blocks) and len(set.intersection(*map(set, keys))) >= MIN_FIELDS
