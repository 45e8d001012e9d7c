"""Tables that are drawn: Markdown, boxes of ASCII or Unicode, columns under dashes, data frames.

Rules: the rows after the line under the header are counted, without rows of dots where rows are left out. Several
tables in one text add up. A text that is mostly something else beside its table is no table. Long texts are counted
by their signs.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import NOTHING, Count, counted
from gateway.metering.text.lines import HEAD, MAX_LINE, says, stated_count

MAX_BESIDE = 10
"""Lines beside the table, or as many as it has rows."""

MIN_ALIGNED = 8
"""Characters of a line of a table without borders."""
MAX_ALIGNED = 30
"""Lines of such a table that are compared."""

_BARS = re.compile(r"[|│┃║┆]")
_BORDER = frozenset("+-=|: ─━═┄┌┐└┘├┤┬┴┼╞╡╪╔╗╚╝╠╣╦╩╬╭╮╰╯╒╕╘╛╤╧╟╢╫┏┓┗┛┡┩╇┳┻╋│┃║┆\t")
_STROKES = ("--", "──", "━━", "══", "==", ":-", "-|")
_DOTS = frozenset(("", ".", "..", "...", "…", "·", "···", ":", "⋮"))
_TOTAL = re.compile(r"\W{0,40}\d[\d,]* rows?\b", re.IGNORECASE)
_DASHES = re.compile(r"\s*(?:-{2,}(\s+-{2,})*|={2,}(\s+={2,})+)\s*\Z")
_SIZE = re.compile(r"\[(\d+) rows x \d+ columns\]\s*\Z")


def count(text: str, lines: list[str] | None, arguments: ParsedArguments) -> Count | None:
    """The records in `text` if it is one or more drawn tables."""
    head = text[:HEAD]
    if lines is None:
        return _long(text, head)
    if any(sign in head for sign in _STROKES):
        found = _drawn(lines) or _under_dashes(lines)
        is_heading = found is not None and found.method == "columns_text" and not found.records
        return None if is_heading and not arguments.returns_rows else found
    return _frame(lines, arguments)


def _is_border(line: str) -> bool:
    return any(sign in line for sign in _STROKES) and len(line) <= MAX_LINE and _BORDER.issuperset(line)


def _long(text: str, head: str) -> Count | None:
    """A long table that is all of a text, but for a last line: Markdown, a box, or `psql`'s."""
    first, _, rest = head.partition("\n")
    second = rest.partition("\n")[0]
    if _is_border(first):
        return _long_box(text, second[:1])
    if not _BARS.search(first) or not _is_border(second):
        return None
    breaks = text.count("\n")
    if first[:1] == "|":
        return counted(breaks - 1, "markdown_text") if text.count("\n|") == breaks else NOTHING
    said = stated_count(text[-HEAD:].rpartition("\n")[2])
    return counted(said, "box_text") if said is not None and said in (breaks - 2, breaks - 3) else NOTHING


def _long_box(text: str, bar: str) -> Count | None:
    """A box with a border above and below its header, one at its end, and perhaps one more and a line of totals."""
    if not _BARS.match(bar):
        return NOTHING
    header = 0
    for line in text[:HEAD].split("\n")[1:]:
        if line[:1] != bar:
            break
        header += 1
    tail = text[-HEAD:].split("\n")[1:]
    beside = 0
    while tail and not _is_border(tail[-1]) and beside < MAX_BESIDE:
        tail.pop()
        beside += 1
    totals = next((at for at, line in enumerate(reversed(tail[:-1])) if _is_border(line)), 0)
    is_footer = totals > 0 and _TOTAL.match(tail[-2]) is not None
    rows = text.count("\n" + bar) - header
    if rows + header + 2 + is_footer + beside != text.count("\n"):
        return NOTHING
    return counted(rows - (totals if is_footer else 0), "box_text")


def _drawn(lines: list[str]) -> Count | None:
    total = beside = tables = 0
    method = "markdown_text"
    block: list[tuple[bool, str]] = []
    for line in [*lines, ""]:
        is_border = _is_border(line)
        if is_border or (line and _BARS.search(line, 0, MAX_LINE)):
            block.append((is_border, line))
            continue
        rows = _rows(block)
        if rows is None:
            beside += len(block)
        else:
            total += rows
            tables += 1
            method = "box_text" if block[0][0] or "|" not in block[1][1] else method
        block = []
        beside += bool(line.strip())
    if not tables or beside > max(MAX_BESIDE, total):
        return None
    return counted(total, method)


def _rows(block: list[tuple[bool, str]]) -> int | None:
    """The data rows of one table, or `None` where the lines are none."""
    segments = _segments(block)
    if not segments or not any(is_border for is_border, _ in block[1:]) or not _BARS.search(segments[0][0]):
        return None
    header, data = segments[0], segments[1:]
    if data and _is_footer(data[-1], header):
        data = data[:-1]
    kept = [[line for line in rows if not _is_left_out(line)] for rows in data]
    if len(data) > 1 and block[0][0]:
        return sum(1 for rows in kept if rows)  # a grid: borders between rows, of which some may be of several lines
    return sum(map(len, kept))


def _segments(block: list[tuple[bool, str]]) -> list[list[str]]:
    """The lines between borders."""
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
    return _TOTAL.match(rows[0]) is not None and len(_BARS.findall(rows[0])) < max(3, len(_BARS.findall(header[0])))


def _is_left_out(line: str) -> bool:
    if len(line) > MAX_LINE or not any(sign in line for sign in ".…·:⋮"):
        return False
    return all(cell.strip() in _DOTS for cell in _BARS.split(line))


def _under_dashes(lines: list[str]) -> Count | None:
    """Columns under a line of dashes for each, as `sqlite3` and `tabulate` write them. Under one line of dashes: one
    column, or fields with commas, where a heading or a footer tells of as many rows."""
    for at in range(1, min(len(lines), 12)):
        line = lines[at]
        if ("--" in line or "==" in line) and len(line) <= MAX_LINE and _DASHES.match(line) and lines[at - 1].strip():
            break
    else:
        return None
    end = next((row for row in range(at + 1, len(lines)) if _ends_rows(lines[row])), len(lines))
    rows = lines[at + 1 : end]
    beside = [line for line in [*lines[: at - 1], *lines[end:]] if line.strip()]
    if rows and _DASHES.match(rows[-1][:MAX_LINE]):
        rows.pop()
    if len(beside) > MAX_BESIDE:
        return None
    if len(lines[at].split()) > 1:
        return counted(len(rows), "columns_text")
    commas = lines[at - 1].count(",")
    whole = [row for row in rows if row.count(",") >= commas]  # the others go on with the row before
    is_plain = commas > 0 and len(whole) == len(rows)
    return counted(len(whole), "columns_text") if is_plain or says(beside, len(whole)) else None


def _ends_rows(line: str) -> bool:
    return not line.strip() or _TOTAL.match(line[:200]) is not None


def _is_aligned(lines: list[str]) -> bool:
    """Whether the lines are of one length and have a gap between columns in one place."""
    if len(lines) < 3 or not MIN_ALIGNED <= len(lines[0]) <= MAX_LINE or len(set(map(len, lines))) != 1:
        return False
    first = lines[0]
    inner = range(len(first) - len(first.lstrip()) + 1, len(first) - 1)
    return any(all(line[at] == " " for line in lines[:MAX_ALIGNED]) for at in inner)


def _has_index_name(header: str, body: list[str]) -> bool:
    """Whether the header has a second line with the names of the index, and all lines are of one length."""
    if len(body) < 2 or header[:1] != " " or len(header) > MAX_LINE or {len(header)} != set(map(len, body)):
        return False
    named = body[0].rstrip()
    return 0 < len(named) < len(header) and not header[: len(named)].strip() and named[0] != " "


def _frame(lines: list[str], arguments: ParsedArguments) -> Count | None:
    """A data frame: rows that begin with their number, or that stand under the names that the statement selects."""
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
        return counted(len(body), "frame_text")
    if _has_index_name(lines[0], body):
        return counted(len(body) - 1, "frame_text")
    if _is_aligned([lines[0], *body]):
        return counted(len(body), "frame_text")
    firsts = [first for line in body if (first := line[:MAX_LINE].split(None, 1)[0]) not in ("...", "..")]
    if not all(first.isdecimal() and first.isascii() and len(first) < 10 for first in firsts):
        return None
    numbers = list(map(int, firsts))
    is_run = numbers == list(range(len(numbers)))
    if is_sized or (is_run and len(numbers) > 1 and len(body[0].split(None, 2)) > 1):
        return counted(len(numbers), "frame_text")
    return None
