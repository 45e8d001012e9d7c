"""Tables that are drawn: Markdown, boxes of ASCII or Unicode, columns under dashes, data frames.

Rules: the rows after the line under the header are counted, without rows of dots where rows are left out. Several
tables in one text add up. A text that is mostly something else beside its table is no table.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import Request
from gateway.metering.lines import MAX_LINE, split
from gateway.metering.metered import Count, counted

MAX_BESIDE = 10
"""Lines beside the table, or as many as it has rows."""

_BARS = re.compile(r"[|│┃║┆]")
_BORDER = frozenset("+-=|: ─━═┄┌┐└┘├┤┬┴┼╞╡╪╔╗╚╝╠╣╦╩╬╭╮╰╯╒╕╘╛╤╧╟╢╫┏┓┗┛┡┩╇┳┻╋│┃║┆\t")
_DOTS = frozenset(("", ".", "..", "...", "…", "·", "···", ":", "⋮"))
_TOTAL = re.compile(r"\W*\d[\d,]* rows?\b", re.IGNORECASE)


def count(text: str, request: Request) -> Count | None:
    """The records in `text` if it is one or more drawn tables."""
    head = text[:8_000]
    if not any(sign in head for sign in ("--", "──", "━━", "==", "══", "0 ")):
        return None
    lines = split(text)
    if lines is None:
        return _long_markdown(text)
    return _drawn(lines) or _under_dashes(lines) or _frame(lines)


def _long_markdown(text: str) -> Count | None:
    """A Markdown table without anything around it, however long."""
    if text[0] != "|" or text.count("\n|") != text.count("\n"):
        return None
    second = text.split("\n", 2)[1]
    return counted(text.count("\n") - 1, "markdown_text") if _is_border(second) else None


def _is_border(line: str) -> bool:
    if not any(sign in line for sign in ("---", "──", "━━", "══", "===", ":-", "--", "-|")):
        return False
    return len(line) > MAX_LINE or _BORDER.issuperset(line)


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
            method = "box_text" if block[0][0] or not _is_markdown(block[1][1]) else method
        block = []
        beside += bool(line.strip())
    if not tables or beside > max(MAX_BESIDE, total):
        return None
    return counted(total, method)


def _is_markdown(border: str) -> bool:
    return "|" in border and "+" not in border


def _rows(block: list[tuple[bool, str]]) -> int | None:
    """The data rows of one table, or `None` where the lines are none."""
    segments: list[list[str]] = []
    is_open = False
    for is_border, line in block:
        if is_border:
            is_open = False
        elif is_open:
            segments[-1].append(line)
        else:
            segments.append([line])
            is_open = True
    if not segments or not any(is_border for is_border, _ in block[1:]) or not _BARS.search(segments[0][0]):
        return None
    header, data = segments[0], segments[1:]
    if len(block) > 1 and data and data[-1] and _is_footer(data[-1], header):
        data = data[:-1]
    kept = [[line for line in rows if not _is_left_out(line)] for rows in data]
    if len(data) > 1 and block[0][0]:
        return sum(1 for rows in kept if rows)  # a grid: borders between rows, of which some may be of several lines
    return sum(map(len, kept))


def _is_footer(rows: list[str], header: list[str]) -> bool:
    return _TOTAL.match(rows[0]) is not None and len(_BARS.findall(rows[0])) < max(3, len(_BARS.findall(header[0])))


def _is_left_out(line: str) -> bool:
    return (
        len(line) <= MAX_LINE
        and all(cell.strip() in _DOTS for cell in _BARS.split(line))
        and any(sign in line for sign in ".…·:⋮")
    )


_DASHES = re.compile(r"\s*-{2,}(\s+-{2,})*\s*\Z")


def _under_dashes(lines: list[str]) -> Count | None:
    """Columns under a line of dashes for each, as `sqlite3` and `tabulate` write them, or one column as `psql` does."""
    for at in range(1, min(len(lines), 12)):
        line = lines[at]
        if "--" in line and len(line) <= MAX_LINE and _DASHES.match(line) and lines[at - 1].strip():
            break
    else:
        return None
    rows = []
    for line in lines[at + 1 :]:
        if not line.strip() or _TOTAL.match(line):
            break
        rows.append(line)
    rest = [line for line in lines[at + 1 + len(rows) :] if line.strip()]
    has_columns = len(lines[at].split()) > 1
    said = next((int(re.sub(r"\D", "", line[:20])) for line in rest if _TOTAL.match(line)), None)
    if len(rest) > 3 or not (has_columns or said == len(rows)):
        return None
    if rows and _DASHES.match(rows[-1][:MAX_LINE]):
        rows.pop()
    return counted(len(rows), "columns_text")


_SIZE = re.compile(r"\[(\d+) rows x \d+ columns\]\s*\Z")


def _frame(lines: list[str]) -> Count | None:
    """A data frame: rows that begin with their number."""
    body = [line for line in lines[1:] if line.strip()]
    sized = bool(body) and _SIZE.match(body[-1].strip()) is not None
    if sized:
        body.pop()
    firsts = [line.split(None, 1)[0] for line in body]
    shown = [first for first in firsts if first not in ("...", "..")]
    if not shown or not all(first.isdecimal() and first.isascii() and len(first) < 10 for first in shown):
        return None
    numbers = list(map(int, shown))
    is_run = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    in_columns = len(body[0].split()) > 1 and (len(numbers) > 1 or sized)
    if not in_columns or not (sized or (is_run and numbers[0] == 0)):
        return None
    return counted(len(shown), "frame_text")
