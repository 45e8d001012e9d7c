"""Lines of one type, possibly followed by indented details: the templates in which servers write one record a line."""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import ITEM
from gateway.metering.text.lines import indentation
from gateway.metering.vocabulary.names import word_set

MAX_ENTRY = 300
"""Characters of a line."""
MAX_SKELETON = 200
"""Characters of a line whose punctuation is compared."""
MIN_SKELETON = 5
"""Parts of the skeleton of a line, which otherwise may be that of prose or of a field."""
MIN_STRUCTURE = 6
"""Parts of the skeleton of lines that are records whatever the tool is."""
MIN_NESTED = 4
"""Parts of the skeleton of an entry whose indented items are compared with it."""
MIN_PHRASES = 3
"""Lines of a few words each, which otherwise may be prose."""

_PATH = re.compile(r"(?:[A-Za-z]:\\|\.{0,2}/|~/|\w+://)\S|[^\s/]+/\S*\Z")
_CLOCK = re.compile(r"\[\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,6})?\] ?\S")
_URL = re.compile(r"\w{2,10}://\S+\Z")
_FILE = re.compile(
    r"(?!.*\s\s)(?:[^\n:|<>\"]{1,250}/)?[^\n/:|<>\"]{1,120}?(?:\.[A-Za-z]\w{0,7}|/)(?: \([\d.,]+ ?\w{1,6}\))?\Z"
)
_NAME = re.compile(r"[\w$.\"`:@#/+~-]+\Z")
_DETAILED = re.compile(
    r"\S.{0,200}?(?: \(\w{1,20}: ?\d[\d,]{0,12}\)| \(\d[\d,]{0,12}(?: \w{1,20})?\)|"
    r"(?::| -) \d[\d,]{0,12}(?: \w{1,20})?| \([A-Za-z][\w ]{0,30}\))\Z"
)
"""A value and its frequency, size or type: `red (12)`, `red: 12`, `users - 5 rows`, `orders (BASE TABLE)`."""
_CODED = re.compile(
    r"[A-Za-z_.]{0,40}[-_.#]?\d[\w.-]{0,40}\s?(?:[:\u2013\u2014-]\s|\t)\S|`[^`\n]{1,100}`\s?[:\u2013\u2014-]\s?\S|"
    r"\*\*[^*\n]{1,100}\*\*\s?[:\u2013\u2014-]\s?\S"
)
"""An entry that begins with its key: `A-1: Fix the door`."""
_TIMED = re.compile(r"\S.{0,40}?[(\[]?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d{4}-\d\d-\d\d\s")
_TEXT_PART = re.compile(r"(?:[\w.'+%/]|(?<!\s)-|-(?!\s)|\s(?!-\s))+")
_DELIMITERS = frozenset((frozenset("w,"), frozenset("w;"), frozenset("w|"), frozenset("w\t")))
"""Skeletons of delimited values, whose first line may be a header row."""
_TAGGED = re.compile(r"\[(?:[A-Z]{2,10}|[a-z]{2,10})\]\s+\S")
_ASSIGNED = re.compile(r"[A-Z][A-Z0-9_]{1,60}=")
_ADDRESS = re.compile(r"[^<>\n]{1,80} <[^<>\s]{1,120}>\Z")
_HANDLE = re.compile(r"[#@][^\W\d_][\w.-]{0,60}(?:\s|\Z)|#\d{1,9}\s\S")
_TEMPLATES = (_DETAILED, _CODED, _ADDRESS, _HANDLE, _TIMED, _TAGGED, _ASSIGNED)
_NUMBERED_NOUN = re.compile(r"[\W_]{0,8}([^\W\d_]{2,20})[ _#-]{1,3}\d{1,12}(?=[\s:.,)\u2013\u2014-]|\Z)")
_LABEL = re.compile(r"[\W_]{0,8}([^\W\d][\w ]{0,30}?)\**[:\uff1a]\**\s?\S")
_TITLE_LINE = re.compile(r"(={2,8}|-{2,8}|\*{3,8}) \S[^\n]{0,120} \1\Z")
_PHRASE = re.compile(r"[\w-]{1,30}(?: [\w-]{1,30}){0,4}\Z")
_STRONG_MARKS = frozenset("[(1")
"""Marks of entries, within which lists with bullets may be."""
_FIELD_LABELS = word_set(
    "id name title status state type kind priority assignee owner author created updated size rows columns total "
    "average mean min max minimum maximum count version host port url path description sum median"
)
"""Labels of the fields of one object."""
STATUS_WORDS = word_set(
    "success successful ok okay done none null true false yes no empty n/a nil undefined nan nothing loading"
)
"""Words that are a status, not a name."""


def count(lines: list[str]) -> int | None:
    """Count the entries; `None` if the lines are of several types, or may be the fields of one object."""
    is_indented = bool([line for line in lines if line[:1] in (" ", "\t")])
    depths = [indentation(line) for line in lines] if is_indented else [0] * len(lines)
    depth = min(depths)
    entries = [line.strip() for line, own in zip(lines, depths, strict=True) if own == depth]
    if depths[0] != depth or [entry for entry in entries if entry[MAX_ENTRY:]]:
        return None
    are_names = all(map(_NAME.match, entries)) and len(set(entries)) == len(entries)
    if not are_names and _are_fields(entries):
        return None
    if all(map(ITEM.match, entries)):
        marks = [_mark(entry) for entry in entries]
        if len(set(marks)) > 1:
            return marks.count(marks[0]) if marks[0] in _STRONG_MARKS else None  # the others are within an entry
        return len(lines) if len(entries) < len(lines) and _are_nested(lines) else len(entries)
    if len(entries) > 1 and _has_template(entries):
        return len(entries)
    if (titles := sum(_TITLE_LINE.match(entry) is not None for entry in entries)) > 1 and _TITLE_LINE.match(entries[0]):
        return titles
    if len(entries) < len(lines):
        if len(entries) > 1 and _have_fields(lines, depths):
            return len(entries)
        return len(entries) if len(entries) > 1 and all(map(_NAME.match, entries)) else None
    if entries[0].lower() in STATUS_WORDS or (len(entries) == 1 and ":" in entries[0]):
        return None
    if all(_NAME.match(entry) or _PATH.match(entry) or _FILE.match(entry) for entry in entries):
        return len(entries)
    return len(entries) if len(entries) >= MIN_PHRASES and all(map(_PHRASE.match, entries)) else None


def _have_fields(lines: list[str], depths: list[int]) -> bool:
    """Return True if a labelled line is below each line at the margin, deeper than it."""
    margin, is_label = min(depths), [_LABEL.match(line.strip()) is not None for line in lines]
    heads = [at for at, depth in enumerate(depths) if depth == margin]
    return all(is_label[at + 1 : at + 2] == [True] and depths[at + 1] > margin for at in heads)


def _mark(entry: str) -> str:
    """Return the kind of the mark with which an entry begins: a bracket, a number, a bullet or a symbol."""
    first = entry.lstrip("#")[:1]
    return "1" if first.isdigit() else first if first in _STRONG_MARKS else "-" if first.isascii() else "\u2022"


def count_structured(lines: list[str]) -> int | None:
    """Count two lines or more that are addresses, have a time, or share a structure that prose and fields lack."""
    if len(lines) < 2 or any(line[:1] in (" ", "\t") or line[MAX_ENTRY:] for line in lines) or _are_fields(lines):
        return None
    is_structured = len(_skeleton(lines[0])) > MIN_STRUCTURE and _share_skeleton(lines)
    is_list = is_structured or all(map(_URL.match, lines)) or all(map(_CLOCK.match, lines))
    return len(lines) if is_list else None


def _are_nested(lines: list[str]) -> bool:
    """Return True if the indented items have the form of those above them, so that they are entries too."""
    skeleton = _skeleton(lines[0].strip())
    if len(skeleton) < MIN_NESTED:
        return False
    return all(ITEM.match(line.strip()[:MAX_ENTRY]) and _skeleton(line.strip()) == skeleton for line in lines)


def _has_template(entries: list[str]) -> bool:
    """Return True if all entries are in one of the usual templates."""
    if any(all(map(pattern.match, entries)) for pattern in _TEMPLATES):
        return True
    if any(_is_same(pattern, entries) for pattern in (_NUMBERED_NOUN, _LABEL)):
        return True
    return _share_skeleton(entries)


def _share_skeleton(entries: list[str]) -> bool:
    """Return True if all entries have the same punctuation, and enough of it."""
    skeleton = _skeleton(entries[0])
    is_structured = (
        len(skeleton) >= MIN_SKELETON and skeleton[-1] not in ":{;" and frozenset(skeleton) not in _DELIMITERS
    )
    return is_structured and all(_skeleton(entry) == skeleton for entry in entries[1:])


def _skeleton(entry: str) -> str:
    """Return the punctuation of a line, with one letter for each text or number: `Oslo (12 km), 3` is `w(w)w`."""
    return _TEXT_PART.sub("w", entry[:MAX_SKELETON].replace("*", ""))


def _is_same(pattern: re.Pattern[str], entries: list[str]) -> bool:
    """Return True if all entries begin with the same word or label."""
    first = pattern.match(entries[0])
    if first is None:
        return False
    return all((match := pattern.match(entry)) is not None and match.group(1) == first.group(1) for entry in entries)


def _are_fields(entries: list[str]) -> bool:
    """Return True if the entries are fields of one object or more: labels, of which several are common or recur."""
    labels: list[str] = []
    for entry in entries:
        match = _LABEL.match(entry)
        if match is None:
            return False
        labels.append(match.group(1).lower())
    if len(set(labels)) < len(labels):
        return len(set(labels)) > 1
    return 2 * sum(label.split()[-1] in _FIELD_LABELS for label in labels) >= len(labels)
