"""Recognizes statements that there are no records, in eight languages: nothing found, and marks for an empty list.

A statement that nothing was found has to be a whole clause at the beginning of a message.
"""

from __future__ import annotations

import re

from gateway.metering.text.statements import phrases
from gateway.metering.text.statements.patterns import fold, spaced, unspaced
from gateway.metering.text.statements.witnesses import stated

MAX_CLAUSE = 160
"""Characters of a statement that nothing was found."""

_EMPTY_MARK = re.compile(
    r"[\s#*_>]{0,8}(?:[-*\u2022]\s)?(?:[(<\[{]\s?(?:none|empty|no \w+(?: \w+)?|0 \w+|nothing|null|nil|"
    r"vide|leer|vac[i\u00ed]o|vazio|пусто|空|なし|无|無)\s?[)>\]}]|"
    r"\[\s*\]|\{\s*\}|[\u2014\u2013]|empty|-{1,2})[.\s*_]*\Z",
)
_LEAD = (
    rf"(?:(?:{spaced(phrases.SORRY)})[\s,]+)?"
    r"(?:(?:(?:query|search|statement|success\w*|results?|ok|the query|"
    r"your (?:search|query|filters?)|the search|it|there (?:is|are|were|was)|"
    r"you (?:have|don't have)|(?:the |this )?(?:database|table|collection|list|folder|directory|project|schema|file|"
    r"workspace|"
    r"vault|graph|calendar|inbox)(?: (?:has|contains|had|returned))?|i|we|sorry)\b[^\n.!?]{0,60}?[\s:,.(!-]+)?"
    r"(?:found |returned |returns |contains |has |matched |currently )?)"
)
_AFTER = rf"(?=\s*(?:\Z|[\n.!,:;()\u2014\u2013*_\"'`<\]-])|\s+(?:{spaced(phrases.AFTER_NONE)})(?!\w))"
_EMPTY = re.compile(
    rf"{_LEAD}(?:(?:{spaced(phrases.NO)})(?:\s+|(?<=[d'\u2019]))(?:\S+\s+){{0,3}}?(?:{spaced(phrases.ROWS)}|"
    rf"{spaced(phrases.THINGS)}|"
    rf"data|{spaced(phrases.DATA)}|данных|information|content|text|output|changes)(?:\(e?s\))?{_AFTER}|"
    r"no (?:\w+ ){1,3}(?:with|named|called|matching|for|by) [^\n]{1,80}\Z|"
    r"no (?:\w+ ){1,4}(?:(?:was |were |could be )?(?:found|available|returned|matched)|match(?:es|ed|ing)?|yet|"
    r"exist)\b|"
    r"(?:did ?n[o']t|do ?n[o']t|does ?n[o']t|could ?n[o']t|can ?not|can't|was ?n[o']t able to|"
    r"were ?n[o']t able to) (?:find|match|return|have|contain|get) "
    rf"(?:any(?:thing)?|a matching)\b|did not match any\b|(?:{spaced(phrases.NOTHING)}){_AFTER})"
    rf"|(?:(?:\S+\s){{0,2}}(?:{spaced(phrases.ROWS)}|{spaced(phrases.DATA)}|данные)\s+)?(?:{spaced(phrases.NOT_FOUND)})\W*\Z"
    r"|(?:результатов|записей|данных|строк|совпадений)\s(?:не найдено|нет)",
)
_EMPTY_UNSPACED = re.compile(
    rf"(?:[^\n\u3002]{{0,16}}[,:!\u3002\s])?(?:{unspaced(phrases.NOTHING)})(?=[\s\u3002.!,;:()'\"*_]|\Z)"
)
_WHOLE = re.compile(
    rf"(?:you have |there are |(?:the )?\w+ (?:has|contains) )?(?:{spaced(phrases.NO)})(?:\s+|"
    rf"(?<=[d'\u2019]))(?:[^\W\d]\w*\s){{0,3}}[^\W\d]\w{{2,}}(?:\s(?:yet|here|today|noch|mehr))?[\W_]*\Z",
)
"""A whole short line such as "No open reminders." """
_ENDS_NONE = re.compile(
    r"[^\n|:]{0,80}(?<!\w)(?<!\bis )(?<!\bare )(?<!\bwas )"
    rf"(?:{spaced(phrases.NO)})\s(?:\S+\s)?(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)})"
    rf"(?:\s(?:{spaced(phrases.AFTER_NONE)}))?[.!]?\Z"
)
"""A whole line that ends with the statement: "The search gave no results." """
_NO_ACCESS = re.compile(
    r"no such\b|(?:没有|沒有|无|無)(?:访问|存取)?(?:权限|權限)|"
    r"no (?:\w+ ){0,2}(?:connection|permission|access|credentials|token|"
    r"database (?:is )?(?:selected|connected|configured|specified))\b"
)
_EMPTY_LIST = re.compile(
    rf"[#*\s]{{0,8}}(?:[^\n:]{{0,60}}?\b)?(?:{spaced(phrases.ROWS)}|"
    rf"{spaced(phrases.THINGS)})(?:\s[^\n:]{{0,60}})?[*\s]*:[*\s]*(\S[^\n]{{0,40}})\Z",
)
_BARE_HEADING = re.compile(
    rf"[#*\s]{{0,8}}(?:[^\W\d][^\n\d:]{{0,60}}\s)?(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)})[*\s]*:[*\s]*\Z"
)
NONE_WORDS = ("none", "null", "nil", "nothing", "empty")
"""Words of a listing tool that there is nothing to list."""
MAX_CELL = 60
"""Characters of a cell that says that there are no rows."""
_DASHES = frozenset(("-", "--", "\u2013", "\u2014"))
_NO_DATA = re.compile(
    rf"(?:no|0|zero) (?:\w+ ){{0,2}}(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)}|data)(?: found| yet)?\.?\Z"
)
_ZERO_FIRST = re.compile(r"\W{0,8}0\s")


def states_none(start: str, first: str, lines: list[str]) -> bool:
    """Return True if a short message, with its first clause and its lines, states that there are no records."""
    if is_empty_mark(start):
        return True
    numbers = [stated(line).number for line in lines]
    if 0 in numbers and all(number in (None, 0) for number in numbers):
        zero = lines[numbers.index(0)]
        return zero is lines[0] or _ZERO_FIRST.match(zero) is not None
    if _NO_ACCESS.match(first):
        return False
    if len(lines) == 1 and (_WHOLE.match(first) or _ENDS_NONE.match(first)):
        return True
    return _EMPTY.match(first) is not None or (not first.isascii() and _EMPTY_UNSPACED.match(first) is not None)


def is_empty_mark(text: str) -> bool:
    """Return True if a short text is a mark for an empty list: `(none)`, `- (empty)`, `<no results>`."""
    return len(text) <= 60 and _EMPTY_MARK.match(fold(text)) is not None


def is_empty_list(text: str, is_listing: bool) -> bool:
    """Return True if a text is a mark for an empty list below its heading: `Tables: (none)`, `Tables: none`."""
    folded = fold(text) if len(text) <= MAX_CLAUSE else ""
    match = _EMPTY_LIST.match(folded) if ":" in folded else None
    return match is not None and (
        is_empty_mark(match.group(1)) or (is_listing and match.group(1).lstrip("-*\u2022 ") in NONE_WORDS)
    )


def is_placeholder(cells: list[str]) -> bool:
    """Return True if the only row of several columns says that there are none: `No data` beside empty cells, dashes."""
    filled = [cell.strip(" \t*_") for cell in cells if cell.strip(" \t*_")]
    if not filled or len(cells) < 2 or any(len(cell) > MAX_CELL for cell in filled):
        return False
    return all(cell in _DASHES for cell in filled) or (len(filled) == 1 and _NO_DATA.match(fold(filled[0])) is not None)


def is_bare_heading(text: str) -> bool:
    """Return True if a text is only the heading of a list without entries: `Search results:`."""
    return _BARE_HEADING.match(fold(text).strip()) is not None if len(text) <= MAX_CLAUSE else False
