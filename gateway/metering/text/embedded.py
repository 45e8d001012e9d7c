"""Data in texts: JSON, NDJSON or a repr as a whole text, in a code fence, in a tag, or between a few lines of prose."""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from gateway.metering.json import structure
from gateway.metering.json.structure.partial_values import SkippedObject
from gateway.metering.metering_result import Count, CountKind, counted
from gateway.metering.text import python_repr
from gateway.metering.text.lines import EDGE
from gateway.metering.text.statements import messages

MAX_PROSE_CHARACTERS = 1_600
"""Characters of prose around JSON."""
MAX_JSON_STRING_CHARACTERS = 128 * 1024
"""Characters of a JSON string that holds a text."""
MAX_JSON_LINES = 40_000
"""Lines of NDJSON."""
MAX_HEADINGS = 4
"""Lines that may precede the data."""
MAX_TRIES = 3
"""Positions at which embedded JSON is tried; one in a long text."""

_TAG_LINE = re.compile(r"^(?:<([A-Za-z]\w{1,40}-[\w-]{2,100})>|-{3,5}BEGIN ([A-Z ]{1,60})-{3,5})\n", re.MULTILINE)
"""The beginning of data that a server marks as untrusted."""
_TUPLE = re.compile(r"\(.{0,2000}\)\Z")
_ROWS = re.compile(r"(?:rows|results?|records|data|documents)\s?:\s?(?=\[)", re.IGNORECASE)
_INDENTED = re.compile(r"\[\n( {1,8})\{\n")
_MARK = re.compile(r"\[[ xX*-]?\] \w|\(\d[\d.]{0,10}%?\)\s")
"""A check box or a score at the beginning of an item."""
_SUMMARY = re.compile(
    r"[\W_]{0,40}(?:summary|statistics|stats|metadata|meta|pagination|paging|page info)\b[^\n{\[]{0,80}:\s?\{",
    re.IGNORECASE,
)
"""A label of an object that describes the records."""
_CODE = re.compile(r"[{};]|\w\([^()]*\Z|=\s*\Z")
"""Characters around JSON that show that the text is source code."""
_BETWEEN_OBJECTS = re.compile(r"\},\n\{")


class CountsValues(Protocol):
    """Counts the records in a decoded value, which was found in a format and inside `depth` wrappers."""

    def __call__(self, value: Any, method: str, depth: int) -> Count:
        """Count the records in `value`."""


def begins_as_data(text: str) -> bool:
    """Return True if a text that begins with a bracket begins like JSON or a repr, as opposed to a mark."""
    if _MARK.match(text):
        return False
    return text[0] in "{(" or text[1:].lstrip()[:1] in ("{", "[", "(", '"', "'", "]")


def count_data(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in a text that is JSON, NDJSON or a Python repr as a whole."""
    try:
        return count_value(structure.read(text), "json_text", depth)
    except ValueError:
        pass
    if text[0] == "{" and text[-1] == "}" and _BETWEEN_OBJECTS.search(text, 0, EDGE):
        return count_data(f"[{text}]", depth, count_value)
    if text[0] == "{" and "\n" in text and (lines := _count_json_lines(text)) is not None:
        return counted(lines, "ndjson_text")
    if (total := _count_indented(text)) is not None:
        return counted(total, "json_text")
    if (total := python_repr.count_similar_rows(text)) is not None:
        return counted(total, "repr_text")
    if (as_json := python_repr.to_json(text)) is None:
        return None
    try:
        value = structure.read(as_json)
    except ValueError:
        return None
    if python_repr.is_one_tuple(text):
        return messages.count(text) or Count(1, "repr_text", CountKind.OBJECT)
    return count_value(value, "repr_text", depth)


def _count_indented(text: str) -> int | None:
    """Count the objects of an indented list that is not valid JSON, because of a quotation mark in a string."""
    match = _INDENTED.match(text)
    if match is None or not text.endswith("\n]"):
        return None
    indent = match.group(1)
    total = text.count(f"\n{indent}{{\n")
    return total if total == text.count(f"\n{indent}}},\n") + 1 else None


_json_line = msgspec.json.Decoder(SkippedObject)


def _count_json_lines(text: str) -> int | None:
    if text[-EDGE:].rstrip()[-1:] != "}" or text.count("\n") > MAX_JSON_LINES:
        return None
    try:
        return len(_json_line.decode_lines(text))
    except (ValueError, RecursionError):
        return None


def fenced_content(text: str) -> str | None:
    """Return the content of the only code fence, if there is little text around it."""
    start = text.find("```", 0, MAX_PROSE_CHARACTERS)
    if start < 0:
        return None
    first = text.find("\n", start)
    end = text.rfind("```")
    if first < 0 or end <= first or start + len(text) - end > MAX_PROSE_CHARACTERS or text.find("```", first, end) >= 0:
        return None
    if text[:start].rstrip().rpartition("\n")[2][:1] in (" ", "\t"):
        return None  # a detail of the entry above
    return text[first + 1 : end]


def tagged_content(text: str) -> str | None:
    """Return the content between a tag or mark and its end, each on a line of its own, with little text around it."""
    match = _TAG_LINE.search(text, 0, MAX_PROSE_CHARACTERS)
    if match is None:
        return None
    closing = f"\n</{match.group(1)}>" if match.group(1) else f"-END {match.group(2)}-"
    end = text.rfind("\n", 0, text.rfind(closing) + 1)
    if end < match.end() or match.start() + len(text) - end > MAX_PROSE_CHARACTERS:
        return None
    return text[: match.start()] + text[match.end() : end]


def named_rows(text: str) -> str | None:
    """Return the data below a few heading lines, if it is labelled as rows or has a tuple or an object on each line."""
    lines = text[:EDGE].split("\n", MAX_HEADINGS)
    at = 0
    for line in lines[:MAX_HEADINGS]:
        if at and text[-1] == ")" and _TUPLE.match(line):
            return text[at:]
        if at and text[-1] == "]" and (match := _ROWS.match(line)) is not None:
            return text[at + match.end() :]
        if at and text[-1] == "}" and line[:1] == "{" and len(text) <= MAX_JSON_STRING_CHARACTERS:
            rest = [one for one in text[at:].split("\n") if one.strip()]
            return "\n".join(rest) if all(one[0] == "{" and one[-1] == "}" for one in rest) else None
        at += len(line) + 1
    return None


def count_embedded(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in JSON or a repr between a few lines of prose or in tags."""
    if _SUMMARY.match(text):
        return None
    tries = MAX_TRIES if len(text) <= structure.MAX_SAMPLED_BYTES else 1
    for start in _json_positions(text)[:tries]:
        end = text.rfind("]" if text[start] == "[" else "}") + 1
        if end <= start or start + len(text) - end > MAX_PROSE_CHARACTERS or (start == 0 and end == len(text)):
            continue
        is_mark = text[start - 1 : start] == "\n" or not text[start + 1 : end - 1].strip()
        if is_mark and text[end : end + 1] not in ("", "\n", "\r"):
            continue  # a mark at the beginning of a line
        if _CODE.search(text[:start]) or _CODE.search(text[end:].rstrip("= \n")):
            continue
        is_inline = start > 0 and text[start - 1] != "\n"
        if is_inline and text[start + 1 : end].lstrip()[:1] not in ("{", "[", "(") and 2 * (end - start) < len(text):
            continue  # a few words in brackets, in prose
        found = count_data(text[start:end], depth, count_value)
        if found is not None and found.kind >= CountKind.OBJECT:
            return found
    return None


def _json_positions(text: str) -> list[int]:
    """Return the positions at which JSON may begin: at the start of a line, after a colon, after a tag."""
    positions = [0] if text[0] in "[{" else []
    head = text[: min(MAX_PROSE_CHARACTERS + 2, EDGE)]
    for prefix in ("\n[", "\n{", ": [", ": {", ">[", ">{"):
        at = head.find(prefix)
        positions += [at + len(prefix) - 1] if at >= 0 else []
    return sorted(positions)
