"""The records in a text, by the form in which it writes them.

Rules:
- The forms are tried from the strictest to the loosest; a form has to hold for the whole text, beside short headings
  and footers. Prose is unknown.
- A footer ("5 rows") is a witness and never the count.
- What begins like JSON and is none (cut off, most often) is unknown.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gateway.metering import grids, listings, messages, python_repr, separated, skeleton, upright
from gateway.metering.arguments import Request
from gateway.metering.metered import NOTHING, Count, Grade, counted

MAX_TEXT = 3 * 1024 * 1024
"""Characters of a text that is looked at."""
MAX_BESIDE = 1_500
"""Characters of prose around JSON."""
MAX_JSON_LINES = 60_000
MAX_DEPTH = 5


class CountsValues(Protocol):
    """Counts the records in a JSON value that came in a form, and in a number of wrappers."""

    def __call__(self, value: Any, method: str, depth: int) -> Count: ...


def count(text: str, request: Request, depth: int, count_value: CountsValues) -> Count:
    """The records in `text`, which lies in `depth` wrappers."""
    if len(text) > MAX_TEXT or depth > MAX_DEPTH + 1:
        return NOTHING
    stripped = text.strip()
    if not stripped:
        return counted(0, "empty_text") if request.returns_rows else NOTHING
    if stripped[0] in '[{("':
        if (found := _data(stripped, depth, count_value)) is not None:
            return found
        if stripped[:2] in ("[{", "[[", "[(", '["', "[]", '{"', "{'", "{}", "[\n", "{\n"):
            return _embedded(stripped, depth, count_value) or NOTHING
    if (message := messages.read(stripped)) is not None:
        return message
    for form in (grids.count, upright.count, separated.count):
        if (found := form(stripped, request)) is not None:
            return found
    found = _embedded(stripped, depth, count_value)
    return found or listings.count(stripped, request) or NOTHING


def _data(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """The records in a text that is JSON, one JSON value a line, or Python's repr, from end to end."""
    try:
        return count_value(skeleton.read(text), "json_text", depth)
    except ValueError:
        pass
    if text[0] == "{" and "\n" in text and (lines := _count_json_lines(text)) is not None:
        return counted(lines, "ndjson_text")
    as_json = python_repr.to_json(text)
    if as_json is None and text[0] == "(" and "\n" in text:
        as_json = python_repr.to_json("[" + text.replace("\n", ",") + "]")
    try:
        return None if as_json is None else count_value(skeleton.read(as_json), "repr_text", depth)
    except ValueError:
        return None


class _Object(msgspec.Struct, gc=False):
    pass


_lines = msgspec.json.Decoder(_Object)


def _count_json_lines(text: str) -> int | None:
    if text.count("\n") > MAX_JSON_LINES:
        return None
    try:
        return len(_lines.decode_lines(text))
    except (ValueError, RecursionError):
        return None


def _embedded(text: str, depth: int, count_value: CountsValues) -> Count | None:
    """The records in JSON or a repr that stands between a few lines of prose, in tags or in a code fence."""
    for start in _starts(text):
        end = text.rfind("]" if text[start] == "[" else "}") + 1
        if end <= start or start + len(text) - end > MAX_BESIDE:
            continue
        found = _data(text[start:end], depth, count_value)
        if found is not None and found.grade >= Grade.OBJECT:
            return found
    return None


def _starts(text: str) -> list[int]:
    """Where JSON may begin: at the beginning of a line, or after the first line's heading."""
    places = [0] if text[0] in "[{" else []
    head = text[: MAX_BESIDE + 2]
    for sign in ("\n[", "\n{", ": [", ": {", ">[", ">{"):
        at = head.find(sign)
        places += [at + len(sign) - 1] if at >= 0 else []
    return sorted(places)[:4]
