"""Stated numbers: the number of records that a heading, a footer or a member's text states, in eight languages.

A statement confirms or contradicts a count by shape and is never the count itself. The number returned ("3 rows",
"showing 1-20 of 512") has to be the count. The number that exists ("found 512", "total: 512") may be larger.
"""

from __future__ import annotations

import re
from enum import Enum

import msgspec

from gateway.metering.text.statements import phrases
from gateway.metering.text.statements.patterns import (
    NUMBER,
    fixed_parts,
    fold,
    has_part,
    is_unspaced,
    parse_number,
    spaced,
    unspaced,
)
from gateway.metering.vocabulary.members import COUNT_MEMBERS, RETURNED_COUNT_MEMBERS, TOTAL_MEMBERS
from gateway.metering.vocabulary.names import normalize_name

MAX_STATEMENT = 200
"""Characters of a line that are read."""
MAX_BEFORE = 60
"""Characters of a line before its statement."""
MAX_KNOWN = 256
"""Lines whose numbers are known; several formats ask for those of the same line."""


class Stated(msgspec.Struct, frozen=True):
    """The numbers of records that a line states: those returned and those that exist."""

    returned: int | None = None
    total: int | None = None
    is_of_rows: bool = True
    """False if the number may be one of columns, tables or files instead of records."""

    @property
    def number(self) -> int | None:
        """The number returned, or else the number that exists."""
        return self.total if self.returned is None else self.returned


class Agreement(Enum):
    """The relation of a statement to a count."""

    AGREES = "agrees"
    SILENT = "silent"
    DISAGREES = "disagrees"


_NOTHING_STATED = Stated()
_known: dict[int, Stated] = {}
"""The numbers that lines state, by hash, so that no text of a result is kept."""

_PLURAL = r"(?:\((?:e?s|en|n)\))?(?!\w)"
_ROW = rf"(?:{spaced(phrases.ROWS)}){_PLURAL}"
_NOUN = rf"(?:{spaced(phrases.ROWS)}|{spaced(phrases.THINGS)}){_PLURAL}"
_OF = rf"(?:{spaced(phrases.OF)})"
_SHOWN = rf"(?:{spaced(phrases.SHOWN)})"
_FOUND = rf"(?:{spaced(phrases.FOUND)})"
_TO = rf"(?:\s?[-\u2013\u2014~\u301c]\s?|\s(?:{spaced(phrases.RANGE_TO)})\s)"
_N = rf"(?<![\w.,-])(?<!\d:)\**({NUMBER})\**"
_WORDS = r"(?:[^\W\d][^\s,;]{0,30}\s){0,2}?"

_DIGITS = re.compile(r"\d+")
_NUMBER_ALONE = re.compile(r"\d(?<![\w.,-]\d)")
"""The beginning of every number that `_N` matches."""
_PAGE = re.compile(rf"(?:{spaced(phrases.PAGE)})[\s*:#=]{{0,8}}\d")
_RANGE = re.compile(rf"{_N}{_TO}({NUMBER})(?:\s{_WORDS}{_OF}\s(?:about\s|~)?|\s?/\s?)({NUMBER})(?![\w-])")
_N_OF_M = re.compile(rf"{_N}(?:\s{_WORDS}{_OF}\s(?:the\s|about\s|~)?|\s?/\s?)\**({NUMBER})\**(?=\s|[):;.,]|\Z)")
_ITEM_BEFORE = re.compile(
    r"\b(?:row|record|result|item|entry|match|hit|document|doc|object|file|issue|task|message|event|note)\s?#?\Z"
)
"""A singular noun before "1 of 3", which is then the position of one record."""
_KEY = re.compile(r"[a-z]*[a-rt-z]:\d+\Z")
"""A key such as `boat:1`."""
_ERRORS = re.compile(r"[^\w\n]*(\d+) (?:errors?|warnings?|failures?)\b")
_SLASH_ONLY = re.compile(r"\d\s?/\s?\d")
_SHOWN_N = re.compile(rf"(?<!\w){_SHOWN}(?:\s{_WORDS}|\s?[:=]\s?)\(?{_N}(?![\w%/]|-\d)")
_SHOWN_RANGE = re.compile(rf"(?<!\w){_SHOWN}\s{_WORDS}{_N}{_TO}({NUMBER})(?![\w%/]|-\d)")
_HEADING_N = re.compile(r"[\W_]{0,8}[^\W\d_][^\n()]{1,60} \((\d{1,6})\)\s?:?[\s*_]{0,4}\Z")
"""A heading with a number in brackets at its end, whatever it names: `Channels in Brno (2):`."""
_N_SHOWN = re.compile(rf"{_N}\s{_WORDS}{_SHOWN}(?!\w)")
_FOUND_N = re.compile(rf"(?<!\w){_FOUND}\**(?:\s{_WORDS}|\s?\**[:=]\**\s?)\(?{_N}(?![\w%/]|\.\d)")
_N_FOUND = re.compile(rf"{_N}\s{_WORDS}{_FOUND}(?!\w)")
_N_NOUN = re.compile(rf"{_N}\+?\s{_WORDS}{_NOUN}(?!=)")
_IS_ROW = re.compile(_ROW)
_IS_NOUN = re.compile(_NOUN)
_NOUN_N = re.compile(
    rf"(?<!\w)(?:{_NOUN})(?:\s(?:{spaced(phrases.FOUND)}|{spaced(phrases.SHOWN)}))?\**\s?[:=(]\s?{_N}(?![\w%/:]|\.\d)"
)
_NUMBER_BEHIND = re.compile(r"[:=(]\s?\**\d")
"""The end of each text that `_NOUN_N` matches."""
_FILE_OR_FOLDER = r"(?:files?|director(?:y|ies)|folders?)"
_SUM = re.compile(rf"{_N}\s{_FILE_OR_FOLDER}(?:,|\sand|;)\s({NUMBER})\s{_FILE_OR_FOLDER}(?!\w)")
_MORE = re.compile(rf"\d\s(?:{spaced(phrases.MORE)})(?!\w)")
_COUNTER = rf"(?:{unspaced(phrases.ROWS)}|{unspaced(phrases.THINGS)})"
_CJK_RANGE = re.compile(rf"({NUMBER})\s?(?:-|\u2013|~|\u301c|到|至|から)\s?({NUMBER})")
_CJK_TOTAL = re.compile(
    rf"(?:{unspaced(phrases.FOUND)})[^\d\n]{{0,8}}({NUMBER})\s?(?:{_COUNTER})?|({NUMBER})\s?{_COUNTER}中"
)
_CJK_SHOWN = re.compile(
    rf"(?:{unspaced(phrases.SHOWN)})[^\d\n]{{0,6}}({NUMBER})\s?(?:{_COUNTER})|({NUMBER})\s?件?[^\d\n]{{0,2}}(?:を表示|表示)"
)
_CJK_N = re.compile(rf"({NUMBER})\s?{_COUNTER}|(?:{_COUNTER})[数數]?\s?[:=(]\s?({NUMBER})(?![\d/:.-])")
_ORDINAL = re.compile(rf"\u7b2c\s?(?:{NUMBER})(?!\s?(?:-|\u2013|~|到|至))")
_ONLY = re.compile(
    rf"[\W_]*(?:(?:{_NOUN}|{_SHOWN}|{_FOUND}|{_OF}|{spaced(phrases.LEAD)})\W{{1,6}}){{0,6}}\W{{0,6}}\d|"
    r"[^\d\n]{0,12}[\u3040-\u30ff\u4e00-\u9fff][^\d\n]{0,12}\d|\W{0,6}\d{1,12}\s?[\u3040-\u30ff\u4e00-\u9fff]"
)
_TIMING = re.compile(
    r"[\W_]{0,6}(?:(?:time taken|elapsed(?: time)?|(?:execution |query )?time|duration|took|finished in)\W{1,3})?"
    r"\d[\d.,]{0,12}\s?(?:ms|milliseconds?|s|secs?|seconds?|min|minutes?)\b[\s,;.]{1,3}"
)
"""The duration of a query, which may precede a stated number."""
_FOUND_PARTS = fixed_parts(spaced(phrases.FOUND))
_SHOWN_PARTS = fixed_parts(spaced(phrases.SHOWN))
_MEMBER = re.compile(r"(?<![\w.])([a-z_]{3,40})=(\d{1,9})(?![\w.])")


def stated(line: str) -> Stated:
    """Return the numbers of records that `line` states."""
    line = line[:MAX_STATEMENT]
    if line.isascii() and _NUMBER_ALONE.search(line) is None:
        return _NOTHING_STATED
    key = hash(line)
    if (found := _known.get(key)) is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        found = _known[key] = _stated(line)
    return found


def _stated(line: str) -> Stated:
    text = fold(line).strip()
    if is_unspaced(text):
        return _stated_unspaced(text)
    found = _stated_spaced(text)
    return _stated_members(text) if found.number is None and "=" in text else found


def _stated_members(text: str) -> Stated:
    """Return the numbers in a line under the names that they have in JSON: `row_count=3 total=57`."""
    numbers = {normalize_name(name): int(number) for name, number in _MEMBER.findall(text)}
    returned = (number for name, number in numbers.items() if name in RETURNED_COUNT_MEMBERS | COUNT_MEMBERS)
    total = (number for name, number in numbers.items() if name in TOTAL_MEMBERS)
    return Stated(next(returned, None), next(total, None))


def states_only(line: str) -> bool:
    """Return True if `line` states a number of records and says nothing else before it."""
    if stated(line).number is None:
        return False
    return _ONLY.match(_TIMING.sub("", fold(line[:MAX_STATEMENT]).strip(), 1)) is not None


def agreement(statements: list[Stated], records: int) -> Agreement:
    """Return the relation of all statements of a text to a count of its records."""
    if any(records in (one.returned, one.total) for one in statements):
        return Agreement.AGREES
    numbers = [one.number for one in statements if one.is_of_rows and one.number is not None]
    if any(number < records for number in numbers):
        return Agreement.DISAGREES
    return Agreement.SILENT


def _stated_spaced(text: str) -> Stated:
    numbers = len(_DIGITS.findall(text))
    if numbers > 2 and (match := _RANGE.search(text)) is not None:
        first, last, all_pages = map(parse_number, match.groups())
        if not last and not all_pages:
            return Stated(0, 0)
        return Stated(last - first + 1, all_pages) if first <= last <= all_pages else _NOTHING_STATED
    match = _N_OF_M.search(text) if numbers > 1 else None
    if match is not None and match.start() <= MAX_BEFORE and _PAGE.search(text) is None:
        part, whole = map(parse_number, match.groups())
        is_position = _ITEM_BEFORE.search(text, 0, match.start()) is not None
        is_fraction = is_position or (_SLASH_ONLY.search(match.group()) and not _IS_NOUN.search(text))
        return _NOTHING_STATED if is_fraction or part > whole else Stated(part, whole)
    if match is None and numbers > 1 and (page := _SHOWN_RANGE.search(text)) is not None:
        first, last = map(parse_number, page.groups())
        return Stated(last - first + 1) if 0 < first <= last else _NOTHING_STATED
    if numbers > 1 and (parts := _SUM.search(text)) is not None:
        return Stated(total=sum(map(parse_number, parts.groups())))
    if _MORE.search(text) is not None or _KEY.match(text) is not None:
        return _NOTHING_STATED
    if (errors := _ERRORS.match(text)) is not None:
        return Stated(int(errors.group(1)), is_of_rows=False)
    found = (_N_FOUND.search(text) or _FOUND_N.search(text)) if has_part(text, _FOUND_PARTS) else None
    patterns = (_N_SHOWN, _SHOWN_N) if has_part(text, _SHOWN_PARTS) else ()
    shown = (pattern.search(text) for pattern in patterns)
    returned = next((_group(one) for one in shown if one and not (found and one.span(1) == found.span(1))), None)
    total = _group(found)
    if returned is not None or total is not None:
        return Stated(returned, total)
    if (heading := _HEADING_N.match(text)) is not None:
        return Stated(parse_number(heading.group(1)), is_of_rows=False)
    stating = _N_NOUN.search(text) or (_NUMBER_BEHIND.search(text) and _NOUN_N.search(text))
    returned = _group(stating)
    if stating is None or returned is None or _PAGE.match(stating.group()):
        return _NOTHING_STATED
    return Stated(returned, is_of_rows=_IS_ROW.search(stating.group()) is not None)


def _stated_unspaced(text: str) -> Stated:
    text = _ORDINAL.sub("", text)
    total = _group(_CJK_TOTAL.search(text))
    if (match := _CJK_RANGE.search(text)) is not None:
        first, last = map(parse_number, match.groups())
        if 0 < first <= last and (total is None or last <= total):
            return Stated(last - first + 1, total)
    returned = _group(_CJK_SHOWN.search(text))
    if returned is None and total is None:
        returned = _group(_CJK_N.search(text))
    return _NOTHING_STATED if returned is None and total is None else Stated(returned, total)


def _group(match: re.Match[str] | None) -> int | None:
    """Return the number in the first group that matched, near the beginning of the line."""
    if match is None or match.start() > MAX_BEFORE:
        return None
    return next((parse_number(group) for group in match.groups() if group is not None), None)
