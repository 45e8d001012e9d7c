"""Text with separated values: a header line, and lines of as many fields.

Rules: every line has as many separators as the header, outside of quotation marks; else it is no such text. Where no
field is quoted this is found by counting signs, whatever the length.
"""

from __future__ import annotations

import csv
import re

from gateway.metering.arguments import Request
from gateway.metering.lines import MAX_LINES, witness
from gateway.metering.metered import Count, counted

MAX_QUOTED = 160 * 1024
"""Characters of a text with quoted fields, which is read field by field."""
MAX_FIELDS = 20_000
"""Fields of such a text (about 60 ns each)."""
MAX_PARTS = 50
"""Tables in one text."""
MAX_AROUND = 4
"""Lines of a heading or a footer."""

_SEPARATORS = "\t,;|"
_NUMBER = re.compile(r"[-+$€£(]?\d[\d.,:/T Z%+()-]*\Z")
_HEADER_FIELD = re.compile(r"\"?[^\W\d_]?[\w #$%&()*+./<=>@°:-]{0,80}[\w)%*]?\"?\Z")


def count(text: str, request: Request) -> Count | None:
    """The records in `text` if it is CSV or the like."""
    parts = text.split("\n---\n", MAX_PARTS)
    counts = [_count_part(part.strip("\n"), request) for part in parts]
    found = [one for one in counts if one is not None]
    if not found or len(found) != len(parts):
        return None
    return counted(sum(one.records or 0 for one in found), found[0].method)


def _count_part(text: str, request: Request) -> Count | None:
    columns = request.columns
    for body in _bodies(text):
        header = body.split("\n", 1)[0][:4_000]
        for separator in _SEPARATORS:
            if separator not in header:
                continue
            fields = _fields(header, separator)
            is_named = columns is not None and tuple(one.lower() for one in fields) == columns
            lines = _count_lines(body, separator, len(fields), is_named)
            if lines is None or not (is_named or _is_plausible(fields, lines, separator, header)):
                continue
            return counted(
                lines - _is_header(fields, columns, is_named), "tsv_text" if separator == "\t" else "csv_text"
            )
        if columns is not None and (header.strip().lower(),) == columns:
            return counted(sum(map(bool, body.split("\n"))) - 1, "csv_text") if body.count("\n") < MAX_LINES else None
    return None


def _bodies(text: str) -> list[str]:
    """`text`, and what is left of it without a heading, a footer or both."""
    without_footer = text
    head, blank, tail = text.rpartition("\n\n")
    if blank and tail.count("\n") < MAX_AROUND:
        without_footer = head.rstrip("\n")
    last = without_footer.rpartition("\n")
    if last[1] and witness(last[2]) is not None and len(last[2]) < 100:
        without_footer = last[0]
    bodies = [text] if without_footer is text else [text, without_footer]
    for _ in range(MAX_AROUND):
        heading, end, rest = without_footer.partition("\n")
        if not end or ("," in heading and not heading.rstrip().endswith(":")):
            break
        without_footer = rest.lstrip("\n")
        bodies.append(without_footer)
    return bodies


def _fields(line: str, separator: str) -> list[str]:
    if '"' not in line:
        return [field.strip() for field in line.strip("\r").split(separator)]
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _count_lines(body: str, separator: str, width: int, is_named: bool) -> int | None:
    """The lines with `width` fields that `body` is made of, or `None` where it has others."""
    lines = body.count("\n") + 1
    if "\n\n" in body:
        lines -= body.count("\n\n")
        if "\n\n\n" in body:
            return None
    if body.count(separator) == lines * (width - 1):
        if lines > MAX_LINES or all(not line or line.count(separator) == width - 1 for line in body.split("\n")):
            return lines
    elif is_named and '"' not in body and lines <= MAX_LINES:
        # Servers that do not quote: what is in the fields may have more separators, never fewer.
        return lines if all(line.count(separator) >= width - 1 for line in body.split("\n") if line) else None
    return _count_quoted(body, separator, width) if '"' in body else None


def _count_quoted(body: str, separator: str, width: int) -> int | None:
    if len(body) > MAX_QUOTED or body.count(separator) + body.count("\n") > MAX_FIELDS:
        return None
    try:
        rows = [row for row in csv.reader(body.split("\n"), delimiter=separator) if row]
    except csv.Error:
        return None
    return len(rows) if all(len(row) == width for row in rows) else None


def _is_plausible(fields: list[str], lines: int, separator: str, header: str) -> bool:
    """Whether the first line can be a header, or data, and not a sentence with commas in it."""
    if lines < 2 or len(fields) < 2 or not any(fields):
        return False
    if not all(_HEADER_FIELD.match(field) and len(field.split()) <= 5 for field in fields):
        return False
    return separator != "," or ", " not in header or (lines > 2 and len(fields) > 2)


def _is_header(fields: list[str], columns: tuple[str, ...] | None, is_named: bool) -> bool:
    if is_named:
        return True
    if columns is not None and len(columns) == len(fields):
        return False
    names = [field for field in fields if field]
    return len(names) >= len(fields) - 1 and len(set(names)) == len(names) and not any(map(_NUMBER.match, names))
