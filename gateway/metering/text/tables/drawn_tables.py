"""Tables drawn with characters: Markdown, box-drawing tables, columns under dashes, data frames.

It counts the rows below the line under the header row, except rows of dots that stand for omitted rows. Several tables
in one text add up. A text with more lines outside of its tables than inside is not a table. In a long text it counts
characters.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.metering_result import UNKNOWN_COUNT, Count, counted
from gateway.metering.text.lines import EDGE, MAX_LINE
from gateway.metering.text.statements.empty_results import is_empty_mark, is_placeholder
from gateway.metering.text.statements.witnesses import stated
from gateway.metering.text.tables import dashed_columns, selected_columns
from gateway.metering.text.tables.dashed_columns import MAX_OUTSIDE_LINES, TOTAL

MIN_ALIGNED = 8
"""Characters of a line of a table without borders."""
MAX_ALIGNED = 30
"""Lines of a table without borders that are compared."""

_SIDES = frozenset("│┃║")
_BARS = re.compile(r"[|│┃║┆]")
_BORDER = re.compile(r"[+\-=|: ─━═┄┌┐└┘├┤┬┴┼╞╡╪╔╗╚╝╠╣╦╩╬╭╮╰╯╒╕╘╛╤╧╟╢╫┏┓┗┛┡┩╇┳┻╋│┃║┆\t]+\Z")
_STROKE = re.compile("--|──|━━|══|==|:-|-\\|")
_NAMED_BORDER = re.compile(r"\s{0,8}[\u250c\u250f]\u2500?[\u2500\u2501][^\n]*\w[^\n]*[\u2510\u2513]\s*\Z")
_DOTS = frozenset(("", ".", "..", "...", "…", "·", "···", ":", "⋮"))
_DIGITS = re.compile(r"\d+")
_DECIMAL = re.compile(r"-?\d[\d,]*\.\d+\Z")
_DOT = re.compile("[.…·:⋮]")
_BOLD_TOTAL = re.compile(
    r"\|?\s*\*\*(?:grand )?(?:totals?|sum|average|gesamt|summe|total general|итого|合计|合計)\b", re.IGNORECASE
)
"""A last row in bold type that sums up the others."""
_FRAME_ROW = re.compile(r"\s*(?:\d|\.\.)")
"""The beginning of a row with its number, or of the dots that stand for omitted rows."""
_SIZE = re.compile(r"\[(\d+) rows x \d+ columns\]\s*\Z")


def count(text: str, lines: list[str] | None, arguments: ParsedArguments) -> Count | None:
    """Count the records in `text`; `None` if it is not one or more drawn tables."""
    head = text[:EDGE]
    if lines is None:
        return _count_long(text, head)
    if ("\u250c" in text or "\u250f" in text) and (rows := _count_under_named_border(lines)) is not None:
        return counted(rows, "box_text")
    if _STROKE.search(head):
        found = _count_bordered(lines, arguments.columns) or dashed_columns.count(lines)
        is_underlined_heading = found is not None and found.method == "columns_text" and not found.records
        return None if is_underlined_heading and not arguments.returns_rows else found
    return _count_frame(lines, arguments)


def _count_under_named_border(lines: list[str]) -> int | None:
    """Count the rows of a box with the names of the columns in its upper border, as ClickHouse draws it."""
    start = next(
        (at for at, line in enumerate(lines[:MAX_OUTSIDE_LINES]) if _NAMED_BORDER.match(line[:MAX_LINE])), None
    )
    if start is None:
        return None
    rows = 0
    for line in lines[start + 1 :]:
        if _BARS.search(line, 0, MAX_LINE) is None:
            return rows if _is_border(line.strip()) else None
        rows += not _marks_omitted_rows(line)
    return None


def _is_border(line: str) -> bool:
    """Return True if a line is a rule. In a box it begins with a corner: `│ --- ┆ --- │` is below names of columns."""
    return (
        line[:1] not in _SIDES
        and len(line) <= MAX_LINE
        and _BORDER.match(line) is not None
        and _STROKE.search(line) is not None
    )


def _count_long(text: str, head: str) -> Count | None:
    """Count the rows of a long Markdown, box-drawing or `psql` table that is the whole text except a last line."""
    first, _, rest = head.partition("\n")
    second = rest.partition("\n")[0]
    if _is_border(first):
        return _count_long_box(text, second[:1])
    if not _BARS.search(first) or not _is_border(second):
        return None
    breaks = text.count("\n")
    if first[:1] == "|":
        return counted(breaks - 1, "markdown_text") if text.count("\n|") == breaks else UNKNOWN_COUNT
    number = stated(text[-EDGE:].rpartition("\n")[2]).number
    return counted(number, "box_text") if number is not None and number in (breaks - 2, breaks - 3) else UNKNOWN_COUNT


def _count_long_box(text: str, bar: str) -> Count | None:
    """Count the rows of a box-drawing table, possibly with a footer inside the box."""
    if not _BARS.match(bar):
        return UNKNOWN_COUNT
    header = 0
    for line in text[:EDGE].split("\n")[1:]:
        if line[:1] != bar:
            break
        header += 1
    tail = text[-EDGE:].split("\n")[1:]
    outside = 0
    while tail and not _is_border(tail[-1]) and outside < MAX_OUTSIDE_LINES:
        tail.pop()
        outside += 1
    totals = next((at for at, line in enumerate(reversed(tail[:-1])) if _is_border(line)), 0)
    is_footer = totals > 0 and TOTAL.match(tail[-2]) is not None
    rows = text.count("\n" + bar) - header
    if rows + header + 2 + is_footer + outside != text.count("\n"):
        return UNKNOWN_COUNT
    return counted(rows - (totals if is_footer else 0), "box_text")


def _count_bordered(lines: list[str], columns: tuple[str, ...] | None) -> Count | None:
    outside = quotes = 0
    tables: list[tuple[tuple[str, ...], int]] = []
    method = "markdown_text"
    block: list[tuple[bool, str]] = []
    for line in [*lines, ""]:
        is_border = _is_border(line)
        if not block and quotes % 2 and "," in lines[0]:
            return None  # within a field of comma-separated values
        quotes += line.count('"')
        if is_border or (line and _BARS.search(line, 0, MAX_LINE)):
            block.append((is_border, line))
            continue
        rows = _count_rows(block)
        if rows is None:
            outside += len(block)
        else:
            header = next(line for is_border, line in block if not is_border)
            tables.append((tuple(cell.lower() for cell in _cells(header)), rows))
            method = "box_text" if block[0][0] or "|" not in block[1][1] else method
        block = []
        outside += bool(line.strip())
    total = sum(rows for _, rows in tables)
    if not tables or outside > max(MAX_OUTSIDE_LINES, total):  # more of them beside many rows
        return None
    if len({header for header, _ in tables}) == 1:
        return counted(total, method)
    selected = [rows for header, rows in tables if header == columns]
    if len(selected) == 1:
        return counted(selected[0], method)
    return counted(total, method, (), (Sign.FORMAT, Sign.OTHER_TABLES))


def _count_rows(block: list[tuple[bool, str]]) -> int | None:
    """Count the data rows of one table; `None` if the lines are not a table."""
    segments = _segments(block)
    if not segments or not any(is_border for is_border, _ in block[1:]) or not _BARS.search(segments[0][0]):
        return None
    header, data = segments[0], segments[1:]
    if data and _is_footer(data[-1], header):
        data = data[:-1]
    has_sides = _BARS.match(header[0].lstrip()) is not None
    kept = [[line for line in rows if not _marks_omitted_rows(line) and _begins_row(line, has_sides)] for rows in data]
    if kept and len(kept[-1]) > 1 and _BOLD_TOTAL.match(kept[-1][-1][:MAX_LINE]):
        kept[-1].pop()
    if sum(map(len, kept)) == 1 and _marks_no_rows(next(line for rows in kept for line in rows)):
        return 0
    if len(data) > 1 and block[0][0]:
        return sum(1 for rows in kept if rows)  # a grid: rows, possibly of several lines each, between borders
    return sum(map(len, kept))


def _begins_row(line: str, has_sides: bool) -> bool:
    """Return True if a line of a table is not the rest of a cell with a line break."""
    return not has_sides or _BARS.match(line.lstrip()[:1]) is not None


def _segments(block: list[tuple[bool, str]]) -> list[list[str]]:
    """Group the lines between borders."""
    segments: list[list[str]] = []
    is_open = False
    for is_border, line in block:
        if not is_border and not is_open:
            segments.append([])
        if not is_border:
            segments[-1].append(line)
        is_open = not is_border
    return segments


def _is_footer(rows: list[str], header: list[str]) -> bool:
    return TOTAL.match(rows[0]) is not None and len(_BARS.findall(rows[0])) < max(3, len(_BARS.findall(header[0])))


def _marks_omitted_rows(line: str) -> bool:
    if len(line) > MAX_LINE or _DOT.search(line) is None:
        return False
    return all(cell.strip() in _DOTS for cell in _BARS.split(line))


def _cells(line: str) -> list[str]:
    """Return the cells of a line between its bars."""
    return [cell.strip() for cell in _BARS.split(line[:MAX_LINE].strip().strip("|\u2502"))]


def _marks_no_rows(line: str) -> bool:
    """Return True if the only row of a table says that there are none: `| (no rows) | |`."""
    if is_placeholder(_cells(line)):
        return True
    cells = [cell.strip() for cell in _BARS.split(line[:MAX_LINE]) if cell.strip()]
    return len(cells) == 1 and cells[0][:1] in "(<[" and is_empty_mark(cells[0])


def _is_aligned(lines: list[str]) -> bool:
    """Return True if the lines have the same length and a gap between columns at the same position."""
    if len(lines) < 3 or not MIN_ALIGNED <= len(lines[0]) <= MAX_LINE or len(set(map(len, lines))) != 1:
        return False
    first = lines[0]
    if not any("  " in line.strip() for line in lines[:MAX_ALIGNED]):
        return False
    inner = range(len(first) - len(first.lstrip()) + 1, len(first) - 1)
    return any(all(line[at] == " " for line in lines[:MAX_ALIGNED]) for at in inner)


def _has_values(line: str) -> bool:
    """Return True if a line has a decimal number beside words, so that it names no columns."""
    words = line.split()
    return any(map(_DECIMAL.match, words)) and any(word.isalpha() for word in words)


def _has_index_name(header: str, body: list[str]) -> bool:
    """Return True if the header has a second line with the index names, and all lines have the same length."""
    if len(body) < 2 or header[:1] != " " or len(header) > MAX_LINE or {len(header)} != set(map(len, body)):
        return False
    named = body[0].rstrip()
    return 0 < len(named) < len(header) and not header[: len(named)].strip() and named[0] != " "


def _count_frame(lines: list[str], arguments: ParsedArguments) -> Count | None:
    """Count the rows of a data frame: they begin with their number, or are below the columns that the SQL selects."""
    body = [line for line in lines[1:] if line.strip()]
    is_sized = bool(body) and _SIZE.match(body[-1].strip()) is not None
    if is_sized:
        body.pop()
    if not body or len(lines[0]) > MAX_LINE:
        return None
    if (
        arguments.columns is not None
        and len(arguments.columns) > 1
        and tuple(lines[0].lower().split()) == arguments.columns
    ):
        rows = selected_columns.count(lines[0], body, len(arguments.columns), is_sized=is_sized)
        return None if rows is None else counted(rows, "frame_text")
    if _has_index_name(lines[0], body):
        return counted(len(body) - 1, "frame_text")
    if _is_aligned([lines[0], *body]) and _DIGITS.sub("0", lines[0]) != _DIGITS.sub("0", body[0]):
        return counted(len(body) + _has_values(lines[0]), "frame_text")
    if not _FRAME_ROW.match(body[0], 0, MAX_LINE):
        return None
    firsts = [first for line in body if (first := line[:MAX_LINE].split(None, 1)[0]) not in ("...", "..")]
    if not all(first.isdecimal() and first.isascii() and len(first) < 10 for first in firsts):
        return None
    numbers = list(map(int, firsts))
    is_run = numbers == list(range(len(numbers)))
    if is_sized or (is_run and len(numbers) > 1 and len(body[0].split(None, 2)) > 1):
        return counted(len(numbers), "frame_text")
    return None
