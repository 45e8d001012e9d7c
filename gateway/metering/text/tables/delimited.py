"""Delimiter-separated values (CSV, TSV): a header row, and lines with as many fields.

Every line must have as many delimiters as the header row, outside of quotation marks. Without quoted fields this is
checked by counting characters, for texts of any length.
"""

from __future__ import annotations

import csv
import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import Count, counted
from gateway.metering.text.lines import EDGE, MAX_LINES, count_lines, filled_length, trim_blank_lines
from gateway.metering.text.statements.empty_results import is_placeholder
from gateway.metering.text.statements.witnesses import Stated, stated, states_only
from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import tool_words

MAX_QUOTED_CHARACTERS = 160 * 1024
"""Characters of a text with quoted fields, which is parsed field by field."""
MAX_FIELDS = 20_000
"""Fields of a text with quoted fields (about 60 ns each)."""
MAX_PARTS = 50
"""Tables in one text."""
MAX_HEADING_LINES = 4
"""Lines of a heading or a footer."""
MAX_WIDTH = 500
"""Fields of a line."""

MAX_LABELLED = 200
"""Characters of a field with digits that is compared with those below."""
MAX_SAMPLE = 8
"""Lines in which the types of fields are read."""

_DELIMITERS = "\t,;|"
_COLUMN_WORDS = word_set("id name title type status state text time date created updated url email value")
"""Words in the names of columns."""
_NAMES_OF_COLUMNS = word_set("columns fields headers schema names")
"""Words of tools that return names of columns."""
_NOT_A_NAME = re.compile(
    r"[-+$€£(]?\d[\d.,:/T Z%+()-]*(?:[a-z]{1,3})?\Z|\S+@\S+\.\w+\Z|\w{2,10}://|\.{0,2}/\w|[^\s/]+/\S+\.\w{1,8}\Z|"
    r"(?:true|false)\Z",
    re.IGNORECASE,
)
"""A number, date, size, path, address or literal: not the name of a column."""
_COLUMN_NAME = re.compile(r"[^\W\d][\w .#%()/-]{0,40}\Z")
_DIGITS = re.compile(r"\d+")
_RULE = re.compile(r"[-=+\t ]{3,}\Z")
_ANNOTATIONS = re.compile(r"\A(?:#[a-z]{1,20},[^\n]{0,2000}\n){1,5}")
"""Lines above the header row that annotate its columns, such as their types."""
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,63}\Z")
_HEADER_FIELD = re.compile(r"\"?[\w #$%&()*+./<=>@°:\[\]-]{0,80}\"?\Z")


def count(text: str, lines: list[str] | None, arguments: ParsedArguments, statements: list[Stated]) -> Count | None:
    """Count the records in `text`, which states `statements`; `None` if it is not delimiter-separated."""
    if lines is not None and "\n" not in text.strip() and _is_header_alone(text, arguments):
        return counted(0, "csv_text")
    text = _ANNOTATIONS.sub("", text, 1)
    parts = text.split("\n---\n", MAX_PARTS) if lines is not None else [text]
    counts = [_count_part(trim_blank_lines(part), lines, arguments, statements) for part in parts]
    found = [one for one in counts if one is not None]
    if not found or len(found) != len(parts):
        return None
    return counted(sum(one.records or 0 for one in found), found[0].method)


def _is_header_alone(text: str, arguments: ParsedArguments) -> bool:
    """Return True if a text is a header row without rows.

    It has the names of the selected columns, or three names or more, several of which columns often have.
    """
    names = text.strip().split("," if "," in text else "\t")
    if arguments.columns is not None and len(names) > 1:
        return tuple(name.strip().lower() for name in names) == arguments.columns
    if (
        not 3 <= len(names) <= MAX_WIDTH
        or not all(map(_IDENTIFIER.match, names))
        or not tool_words(arguments.tool).isdisjoint(_NAMES_OF_COLUMNS)
    ):
        return False
    return sum(not tool_words(name).isdisjoint(_COLUMN_WORDS) for name in names) > 1


def _count_part(
    text: str, lines: list[str] | None, arguments: ParsedArguments, statements: list[Stated]
) -> Count | None:
    columns = arguments.columns
    for start, stop in _candidates(text):
        first = text[start : min(stop, start + EDGE + 1)].partition("\n")[0]
        if len(first) > EDGE:
            return None
        if columns is None and not any(delimiter in first for delimiter in _DELIMITERS):
            continue
        body = text[start:stop]
        second = _second_line(body, first)
        if _RULE.match(second[:EDGE]):
            body = first + "\n" + body[len(first) + 1 :].partition("\n")[2]
            second = _second_line(body, first)
        for delimiter in _DELIMITERS:
            fields = _first_fields(first, second, delimiter, columns)
            if fields is None:
                continue
            is_named = columns is not None and tuple(one.lower() for one in fields) == columns
            total = _count_fitting(body, delimiter, fields, statements, is_named)
            if total is None or (total < 3 and ", " in first and not is_named):
                if lines is None:
                    return None  # a long text is scanned only once
                continue
            has_header = is_named or _has_header(fields, body[len(first) + 1 :], delimiter, columns)
            if not is_named and (stated_header := _stated_header(statements, total)) is not None:
                has_header = stated_header
            if has_header is None:
                return None
            if has_header and total == 2 and is_placeholder(_fields(second, delimiter)):
                total = 1
            return counted(total - has_header, "tsv_text" if delimiter == "\t" else "csv_text")
        if columns is not None and (first.strip().lower(),) == columns and "\n\n" not in body:
            return counted(count_lines(body) - 1 - states_only(body[body.rfind("\n") + 1 :]), "csv_text")
    return None


def _second_line(body: str, first: str) -> str:
    start = len(first) + 1
    return body[start : start + 2 * EDGE].partition("\n")[0]


def _count_fitting(
    body: str, delimiter: str, fields: list[str], statements: list[Stated], is_named: bool
) -> int | None:
    """Count the lines of `body`, if its first line may be a header row or data, or the text states their number."""
    is_plausible = is_named or _is_plausible(fields, body[:EDGE].partition("\n")[0])
    if not is_plausible and not statements:
        return None
    is_header = is_named or (
        len(fields) > 2 and len(set(fields)) == len(fields) and all(map(_IDENTIFIER.match, fields))
    )
    total = _count_lines(body, delimiter, len(fields), is_header)
    if total is not None and _has_sentence_below(body, delimiter):
        return None
    return total if is_plausible or (total is not None and _stated_header(statements, total) is not None) else None


def _has_sentence_below(body: str, delimiter: str) -> bool:
    """Return True if only the last line has a space after its delimiters, as a sentence has, and begins as no row."""
    spaced, last = f"{delimiter} ", body[body.rfind("\n", max(0, len(body) - EDGE)) + 1 :]
    is_sentence = delimiter in ",;" and spaced in last and '"' not in last and not last[:1].isdigit()
    return is_sentence and spaced not in body[: len(body) - len(last)]


def _candidates(text: str) -> list[tuple[int, int]]:
    """Return the bounds of `text` as a whole, without its heading, without its footer, and without both."""
    whole = _without_heading(text, len(text))
    stop = len(text)
    head, blank, tail = text[-EDGE:].rpartition("\n\n")
    if blank and tail.count("\n") < MAX_HEADING_LINES and head:
        above = len(text) - len(tail)
        end = text.find("\n", filled_length(text, above), above)
        stop = end if end >= 0 else above
    last = text.rfind("\n", 0, stop) + 1
    if last and stop - last < 100 and stated(text[last:stop]).number is not None:
        stop = last - 1
    return whole if stop == len(text) else whole + _without_heading(text, stop)


def _without_heading(text: str, stop: int) -> list[tuple[int, int]]:
    """Return the bounds of `text` up to `stop`, and those below each line of its heading."""
    bodies = [(0, stop)]
    start, end = 0, filled_length(text, stop)
    for _ in range(MAX_HEADING_LINES):
        line_end = text.find("\n", start, end)
        heading = text[start : max(line_end, start)]
        if line_end < 0 or ("," in heading and not heading.rstrip().endswith(":")) or "\t" in heading:
            break
        below = text[line_end : min(end, line_end + EDGE)]
        filled = len(below.lstrip())
        if not filled:
            break
        start = text.rfind("\n", line_end, line_end + len(below) - filled) + 1
        bodies.append((start, last if (last := text.find("\n", end, stop)) >= 0 else stop))
    return bodies


def _first_fields(first: str, second: str, delimiter: str, columns: tuple[str, ...] | None) -> list[str] | None:
    """Return the fields of the first line, if the second may have as many."""
    if delimiter not in first or (delimiter == first[:1] == second[:1] == "\t"):
        return None  # a tab at the beginning of several lines indents them
    fields = _fields(first, delimiter)
    if not 2 <= len(fields) <= MAX_WIDTH:
        return None
    if not second:
        return fields if columns is not None and len(fields) == len(columns) else None
    return fields if second.count(delimiter) >= len(fields) - 1 or '"' in second else None


def _fields(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return [field.strip() for field in line.split(delimiter)]
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _count_lines(body: str, delimiter: str, width: int, is_header: bool) -> int | None:
    """Count the lines of `body`; `None` if one does not have `width` fields."""
    delimiters = body.count(delimiter)
    total = body.count("\n") + 1
    if delimiters != total * (width - 1):
        total -= body.count("\n\n")
    if delimiters == total * (width - 1):
        if total > MAX_LINES or all(not line or line.count(delimiter) == width - 1 for line in body.split("\n")):
            return total
    elif is_header and ('"' not in body or body.count('"') % 2) and total <= MAX_LINES:
        # Servers that do not quote may have delimiters in their fields, so more of them, never fewer.
        return total if all(line.count(delimiter) >= width - 1 for line in body.split("\n") if line) else None
    if '"' not in body or len(body) > MAX_QUOTED_CHARACTERS or delimiters + total > MAX_FIELDS:
        return None
    try:
        rows = [row for row in csv.reader(body.split("\n"), delimiter=delimiter) if row]
    except csv.Error:
        return None
    return len(rows) if all(len(row) == width for row in rows) else None


def _is_plausible(fields: list[str], first: str) -> bool:
    """Return True if the first line may be a header row or data, as opposed to a sentence with commas."""
    if not all(fields[1:]) or (", " in first and len(fields) < 3):
        return False
    if any(field.count("(") != field.count(")") for field in fields):
        return False
    return all(len(field.split()) <= 5 and (_HEADER_FIELD.match(field) or len(field) < 40) for field in fields)


def _has_header(fields: list[str], rest: str, delimiter: str, columns: tuple[str, ...] | None) -> bool | None:
    """Return True if the first line is a header row; `None` if fields between bars, all texts, leave it open."""
    if columns is not None and len(columns) == len(fields):
        return False
    texts = [field for field in fields if field]
    if len(texts) < len(fields) - 1 or len(set(texts)) != len(texts) or any(map(_NOT_A_NAME.match, texts)):
        return False
    rows = [_fields(line, delimiter) for line in rest[:EDGE].split("\n", MAX_SAMPLE)[:MAX_SAMPLE] if line.strip()]
    if any(_continues(field, [row[at] for row in rows if len(row) > at]) for at, field in enumerate(fields)):
        return False
    if delimiter != "|":
        return True
    is_typed = any(any(len(row) > at and _NOT_A_NAME.match(row[at]) for row in rows) for at in range(len(fields)))
    return True if is_typed and all(map(_COLUMN_NAME.match, texts)) else None


def _continues(field: str, below: list[str]) -> bool:
    """Return True if the first field of a column is a value as those below: of one form with digits, or labelled."""
    form = _DIGITS.sub("0", field)
    if form != field and len(field) <= MAX_LABELLED:
        return bool(below) and all(_DIGITS.sub("0", one) == form for one in below)
    label = field.partition(":")[0] + ":"
    return label in field and bool(below) and all(one.startswith(label) for one in below)


def _stated_header(statements: list[Stated], total: int) -> bool | None:
    """Return whether the first line is a header row by the number of rows that the text states."""
    numbers = {one.number for one in statements if one.is_of_rows}
    if total in numbers:
        return False
    return True if total - 1 in numbers else None
