"""HTML tables and XML records.

It counts the rows of a text's only HTML table, or sibling elements of one name that make up the whole text or its root
element. The markup is not parsed: it counts tags.
"""

from __future__ import annotations

import re

from gateway.metering.metering_result import FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text.lines import EDGE

MAX_OUTSIDE_CHARACTERS = 1_000
"""Characters before and after a table."""
MAX_WRAPPERS = 5
"""Elements around the records."""

_OPENING = re.compile(r"<([A-Za-z][\w:-]{0,63})(?:\s[^<>]{0,500})?>\s*")
_RECORD = re.compile(r"<(item|entry|row|record|result|doc|document|hit)(?=[\s>])")
"""An element that is a record beside elements of other names."""
_IDENTITY = re.compile(r"<(?:id|key|uuid|name|title|number)>", re.IGNORECASE)
_NESTED = re.compile(r"<([A-Za-z][\w:-]{0,63})(?:\s[^<>]{0,500})?>\s*<[A-Za-z]")
"""An element with another in it, so that the elements around it are no single object."""
_PROLOGUE = re.compile(r"<\?xml[^>]{0,200}\?>\s*")


def count(text: str) -> Count | None:
    """Count the records in `text`; `None` if it is not HTML or XML."""
    if text[0] != "<":
        return None
    if (start := text.find("<table", 0, MAX_OUTSIDE_CHARACTERS)) >= 0:
        return _count_rows(text, start)
    start = match.end() if (match := _PROLOGUE.match(text)) else 0
    outer = _OPENING.match(text, start)
    if outer is None:
        return None
    name = outer.group(1)
    if name.lower() == "error":
        return FAILURE
    if name.lower() == "html":
        return None
    if (total := _count_siblings(text, name)) is not None:
        return counted(total, "xml_text") if total > 1 else _count_root(text, outer)
    return None


def _count_rows(text: str, start: int) -> Count | None:
    """Count the rows of the only HTML table; the first is a header row if it has no data cell."""
    end = text.rfind("</table>")
    is_page = "<html" in text[:start] or "<body" in text[:start] or "<script" in text[:start]
    if is_page or end < 0 or len(text) - end > MAX_OUTSIDE_CHARACTERS or text.find("<table", start + 1) >= 0:
        return None
    rows = text.count("<tr", start)
    head = text.find("</thead>", start)
    if head >= 0:
        return counted(rows - text.count("<tr", start, head), "html_text")
    first = text[start : text.find("</tr>", start)]
    return counted(rows - ("<th" in first and "<td" not in first), "html_text")


def _count_siblings(text: str, name: str) -> int | None:
    """Count the elements `name` that make up the text; `None` if it has other parts."""
    closing = f"</{name}>"
    if not text.endswith(closing):
        return None
    head = text[:EDGE]
    if _count_openings(head, name) > head.count(closing) + 1:
        return None  # nested
    total = text.count(closing)
    return total if _count_openings(text, name) == total else None


def _count_openings(text: str, name: str) -> int:
    return text.count(f"<{name}>") + text.count(f"<{name} ")


def _count_root(text: str, outer: re.Match[str]) -> Count:
    """Count the children of the root element, or of its only child, that are records; else it is one object."""
    body, name = text[outer.end() : text.rfind("</")].strip(), outer.group(1)
    for _ in range(MAX_WRAPPERS):
        inner = _OPENING.match(body)
        if inner is None:
            break
        total = _count_siblings(body, inner.group(1))
        if total is not None and (total > 1 or name in (f"{inner.group(1)}s", f"{inner.group(1)}List")):
            return counted(total, "xml_text")
        if total is None:
            record = _RECORD.search(body)
            if record is not None and (records := _count_openings(body, record.group(1))):
                return counted(records, "xml_text")
            break
        body, name = body[inner.end() : body.rfind("</")].strip(), inner.group(1)
    is_object = _IDENTITY.match(body) is not None or _NESTED.search(body, 0, EDGE) is None
    return Count(1, "xml_text", CountKind.OBJECT) if is_object else UNKNOWN_COUNT
