"""Blocks between blank lines whose first two lines have the same form, with free text below: `Title: …`, `URL: …`."""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import LABEL, MAX_MATCHED, RULE
from gateway.metering.text.lines import is_blank, split_blocks

MIN_PAIRS = 2
"""Blocks of labelled lines that are told by the labels of their first two lines."""

_NUMBERED = re.compile(r"[\W_]{0,8}([^\W\d_]{2,20})[ _#-]{1,3}(\d{1,6})(?!\w)")
_MARK = re.compile(
    r"\s{0,8}(?:(?P<address>\w{2,10}://\S)|(?:\*\*|#{1,6} )?\[(?P<link>[^\[\]\n]{1,160}\]\()|"
    r"(?P<bold>\*\*[^*\n]{1,160}(?<!:)\*\*(?!\s?:))|(?P<symbol>[^\w\s\x00-\x7f]))"
)
_STRONG_FORMS = frozenset(("link",))
"""Forms of a first line with which text of any form may follow."""
_RULE_STARTS = frozenset(("---", "===", "***", "___", "\u2500\u2500\u2500"))


def count(lines: list[str]) -> int | None:
    """Count the blocks whose first two lines have the same form, if all but a heading do; `None` for another text.

    Or else those that begin as the first one does, whatever lines are in the texts of their fields.
    """
    return _count_blocks(lines) or _count_beginnings(lines)


def _count_beginnings(lines: list[str]) -> int | None:
    """Count the blocks that begin with the forms of the first two lines, if none begins with the first form alone."""
    if len(lines) < 2 or "" not in lines:
        return None
    first, second = _form(lines[0]), _form(lines[1])
    if first is None or second is None or first == second:
        return None
    ends = [0, *(at for at, line in enumerate(lines, start=1) if not line or RULE.match(line[:MAX_MATCHED]))]
    starts = [at for at in ends if at + 1 < len(lines) and _form(lines[at]) == first]
    is_pair = all(_form(lines[at + 1]) == second for at in starts)
    return len(starts) if len(starts) >= MIN_PAIRS and is_pair else None


def _count_blocks(lines: list[str]) -> int | None:
    """Count the blocks between blank lines or rules, if their first two lines have the same form."""
    if [line for line in lines if line[:3] in _RULE_STARTS and RULE.match(line)]:
        return _count_between_rules(lines)
    if "" not in lines:
        return None
    blocks = split_blocks(lines, is_blank)
    if len(blocks) < 2 or any(len(block) < 2 for block in blocks):
        return None
    if (numbered := _count_numbered([block[0] for block in blocks])) is not None:
        return numbered
    forms = {(_form(block[0]), _form(block[1])) for block in blocks}
    first, second = next(iter(forms))
    return len(blocks) if len(forms) == 1 and first != second and (second or first in _STRONG_FORMS) else None


def _count_numbered(titles: list[str]) -> int | None:
    """Count the blocks, if all begin with the same word and one number after the other: `Paper 1:`, `Paper 2:`."""
    matches = [_NUMBERED.match(title[:MAX_MATCHED]) for title in titles]
    found = [(match.group(1).lower(), int(match.group(2))) for match in matches if match is not None]
    if len(found) < len(titles) or found[0][1] not in (0, 1):
        return None
    first = found[0][1]
    return len(found) if found == [(found[0][0], first + at) for at in range(len(found))] else None


def _form(line: str) -> str | None:
    """Return the label of a line, or the mark with which it begins: an address, a link, bold type, a symbol."""
    match = _MARK.match(line[:MAX_MATCHED])
    if match is None:
        return _label(line)
    return match.lastgroup if match.lastgroup != "symbol" else match.group()


def _count_between_rules(lines: list[str]) -> int | None:
    """Count the blocks between rules, if they share the form of a line."""
    blocks = [[_form(line) for line in block] for block in split_blocks(lines, RULE.match)]
    if len(blocks) > 2 and blocks[0][0] is None and len({block[0] for block in blocks[1:]} | {None}) == 2:
        blocks = blocks[1:]  # the heading, or an introduction
    if len(blocks) < 2 or set.intersection(*map(set, blocks)) - {None}:
        return len(blocks) if len(blocks) > 1 else None
    first = blocks[0][:2]
    heads = [block for block in blocks if block[:2] == first]
    is_cut = None not in first and len(first) > 1 and all(block in heads or block[0] is None for block in blocks)
    return len(heads) if is_cut and len(heads) > 1 else None  # the others are parts of the texts above them


def _label(line: str) -> str | None:
    match = LABEL.match(line[:MAX_MATCHED])
    return match.group(1).lower() if match is not None else None
