"""Tables and records in HTML and XML.

Rules: rows of the one HTML table that a text is; or elements of one name, one after the other, that are all of the
text or all of its root element. Found by counting tags.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import Confidence, Count, counted

MAX_BESIDE = 1_000
"""Characters before and after a table."""

_OPENING = re.compile(r"<([A-Za-z][\w:-]{0,63})(?:\s[^<>]{0,500})?>\s*")
_PROLOGUE = re.compile(r"<\?xml[^>]{0,200}\?>\s*")


def count(text: str, lines: list[str] | None, arguments: ParsedArguments) -> Count | None:
    """The records in `text` if it is marked up."""
    if text[0] != "<":
        return None
    if (start := text.find("<table", 0, MAX_BESIDE)) >= 0:
        return _table(text, start)
    start = match.end() if (match := _PROLOGUE.match(text)) else 0
    outer = _OPENING.match(text, start)
    if outer is None:
        return None
    name = outer.group(1)
    if (total := _siblings(text, name)) is not None:
        return counted(total, "xml_text") if total > 1 else _one(text, outer)
    return None


def _table(text: str, start: int) -> Count | None:
    """The rows of an HTML table that is alone; the first is a header if it has no cell of data."""
    end = text.rfind("</table>")
    is_page = "<html" in text[:start] or "<body" in text[:start] or "<script" in text[:start]
    if is_page or end < 0 or len(text) - end > MAX_BESIDE or text.find("<table", start + 1) >= 0:
        return None
    rows = text.count("<tr", start)
    head = text.find("</thead>", start)
    if head >= 0:
        return counted(rows - text.count("<tr", start, head), "html_text")
    first = text[start : text.find("</tr>", start)]
    return counted(rows - ("<th" in first and "<td" not in first), "html_text")


def _siblings(text: str, name: str) -> int | None:
    """How many elements `name` the text is made of."""
    closing = f"</{name}>"
    if not text.endswith(closing):
        return None
    total = text.count(closing)
    return total if text.count(f"<{name}>") + text.count(f"<{name} ") == total else None


def _one(text: str, outer: re.Match[str]) -> Count:
    """The root element: the elements in it where they are of one name and more than one, else one object."""
    inner = _OPENING.match(text, outer.end())
    body = text[outer.end() : text.rfind("</")].rstrip()
    if inner is not None and (total := _siblings(body, inner.group(1))) is not None and total > 1:
        return counted(total, "xml_text")
    return Count(1, "xml_text", Confidence.OBJECT)
