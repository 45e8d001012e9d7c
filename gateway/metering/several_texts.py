"""Counts the records in several texts of one result, by what the texts have in common."""

from __future__ import annotations

import re

import msgspec

from gateway.metering.confidence import Sign
from gateway.metering.json.structure.partial_values import SkippedObject
from gateway.metering.metering_result import FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text.lines import split_lines
from gateway.metering.text.statements.messages import NO_RECORDS
from gateway.metering.text.statements.witnesses import Agreement, agreement, stated

MAX_REMARK_LINES = 4
"""Lines of a text without records that raise no doubt."""
MAX_REMARK = 800
"""Characters of a text without records that may accompany those with records."""
MAX_NAME = 100
"""Characters of a name that is a text of its own."""
MAX_WITNESS_LINES = 12
"""Lines of such a text that may state a number."""


def one_each(records: int, method: str) -> Count:
    return counted(records, method, (), (Sign.ONE_EACH,)).at("each text")


def is_repeated(first: list[Count], second: list[Count]) -> bool:
    """Return True if the second blocks hold as many records as the first, in another format: the same data again."""
    counts = [[one.records for one in part if one.kind is CountKind.COUNTED] for part in (first, second)]
    return bool(counts[0]) and counts[0] == counts[1] and first[0].method != second[0].method


_SENTENCE = re.compile(r"(?:[^\W\d][\w'-]{0,30},? ){4}[^\n]{0,600}[.!]\s{0,8}\Z")
_NAME = re.compile(r"[^\[{<\"]?[^\n{}<>]*\w")
_LISTS_OF_LINES = frozenset(("names_text", "lines_text", "blocks_text", "scalar_text"))
"""Formats whose text of a single line may be a remark."""
_SINGLE_LINES = _LISTS_OF_LINES | {"csv_text", "tsv_text"}
_LABEL = re.compile(r"[A-Za-z][\w ]{1,30}(?=:? \S)")


def count_listed(texts: list[str]) -> Count | None:
    """Count texts that are what a tool lists: one entry or one name each."""
    if entries := _count_entries(texts):
        return one_each(entries, "blocks_text")
    return one_each(len(texts), "names_text") if _are_names(texts) else None


def _count_entries(texts: list[str]) -> int | None:
    """Count texts that each describe one entry and begin with the same label: `Name: "a"`, `Name: "b"`."""
    has_heading = len(texts) > 2 and (stated(texts[0]).number is not None or texts[0].rstrip().endswith(":"))
    entries = texts[1:] if has_heading else texts
    labels = [_LABEL.match(one) for one in entries]
    if len(entries) < 2 or not all(labels):
        return None
    words = {label.group().split()[0] for label in labels if label is not None}
    if len(entries) == 2 and len({label.group() for label in labels if label is not None}) > 1:
        return None  # a heading and its text may begin alike
    return len(entries) if len(words) == 1 and all("\n" + next(iter(words)) not in one for one in entries) else None


def _are_names(texts: list[str]) -> bool:
    """Return True if several texts are one name each: a single word, perhaps with a path or a prefix, but no JSON."""
    return len(texts) > 1 and all(
        len(one) <= MAX_NAME and one.split() == [one] and one[-1] not in ":." and _NAME.match(one) for one in texts
    )


_object = msgspec.json.Decoder(SkippedObject)


def count_objects(texts: list[str]) -> Count:
    """Count many texts as one record each, if each is a JSON object."""
    try:
        for text in texts:
            _object.decode(text)
    except (ValueError, RecursionError):
        return UNKNOWN_COUNT
    return one_each(len(texts), "json_text")


def add_up(counts: list[Count], texts: list[str], links: int) -> Count:
    """Add up the counts of several texts; `UNKNOWN_COUNT` if they do not fit together."""
    counts = _without_remarks(counts, texts)
    if len(counts) > 1:
        counts = _without_fields(counts)
    if _are_mixed(counts):
        return UNKNOWN_COUNT
    if any(one.kind is CountKind.FAILED for one in counts):
        is_failure = all(one.kind in (CountKind.FAILED, CountKind.NONE) for one in counts)
        return FAILURE if is_failure else UNKNOWN_COUNT
    remarks = [text for one, text in zip(counts, texts, strict=True) if one.kind is CountKind.NONE]
    if any(len(remark) > MAX_REMARK for remark in remarks):
        return UNKNOWN_COUNT
    objects = [one for one in counts if one.kind is CountKind.OBJECT]
    lists = [one for one in counts if one.kind is CountKind.COUNTED]
    is_each = len(lists) > 1 and all(
        Sign.OTHER_LIST in one.signs and Sign.ONLY_MEMBER not in one.signs for one in lists
    )
    if is_each and len({one.path.partition(":")[2] for one in lists}) == 1 and not objects:
        return _checked_by_remarks(one_each(len(lists), lists[0].method), remarks)  # each has a list of its own
    if lists and lists[-1].method == NO_RECORDS.method and any(one.records for one in lists):
        return UNKNOWN_COUNT  # the last text states that there are none
    if lists and not objects:
        is_long = any(remark.strip().count("\n") >= MAX_REMARK_LINES for remark in remarks)
        found = _add(lists).with_signs(Sign.OTHER_TEXTS) if is_long else _add(lists)
        return _checked_by_remarks(found, remarks)
    if len(objects) > 1 and not lists:
        return _checked_by_remarks(one_each(len(objects), objects[0].method), remarks)
    if links and not lists and not objects:
        return counted(links, "resource_links", (), (Sign.LINKS,)).at("resource links")
    if len(counts) - len(remarks) == 1:
        return next(one for one in counts if one.kind > CountKind.NONE)
    return UNKNOWN_COUNT


def _without_remarks(counts: list[Count], texts: list[str]) -> list[Count]:
    """Return the counts, without one for a text that only describes the data in the other."""
    is_data = (
        found.records and found.method not in _LISTS_OF_LINES and not _is_line(found, text)
        for found, text in zip(counts, texts, strict=True)
    )
    if any(is_data):
        counts = [UNKNOWN_COUNT if _is_line(*one) else one[0] for one in zip(counts, texts, strict=True)]
    data = [one.records for one in counts if one.kind is CountKind.COUNTED and one.method == "json_text"]
    if len(data) != 1 or data[0] is None:
        return counts
    return [
        UNKNOWN_COUNT if _is_about(data[0], text, found) else found for found, text in zip(counts, texts, strict=True)
    ]


def _without_fields(counts: list[Count]) -> list[Count]:
    """Return the counts, without those of texts with the fields of one object beside an object in JSON."""
    objects = [one.method for one in counts if one.kind is CountKind.OBJECT]
    if objects.count("json_text") != 1:
        return counts
    return [UNKNOWN_COUNT if one.kind is CountKind.OBJECT and one.method == "fields_text" else one for one in counts]


def _is_line(found: Count, text: str) -> bool:
    """Return True if a counted text is a single line that may be a remark beside data."""
    return found.kind is CountKind.COUNTED and found.method in _SINGLE_LINES and "\n" not in text.strip()


def _are_mixed(counts: list[Count]) -> bool:
    """Return True if some texts are lists of lines and others are data in another format."""
    lists = {one.method in _LISTS_OF_LINES for one in counts if one.kind is CountKind.COUNTED and one.records}
    return len(lists) > 1


def _is_about(records: int, text: str, found: Count) -> bool:
    """Return True if a counted text is a sentence, or a few fields of which one states the number `records`."""
    lines = split_lines(text.strip()) or () if len(text) <= MAX_REMARK else ()
    if found.method == "lines_text" and found.records == 1:
        return len(lines) == 1 and _SENTENCE.search(text) is not None
    is_short = found.method == "fields_text" and len(lines) <= MAX_REMARK_LINES
    return (
        is_short and found.kind is CountKind.OBJECT and agreement(list(map(stated, lines)), records) is Agreement.AGREES
    )


def _add(lists: list[Count]) -> Count:
    if len(lists) == 1:
        return lists[0]
    tables = tuple(sorted({name for one in lists for name in one.tables}))
    signs = tuple(sorted({sign for one in lists for sign in one.signs}))
    return counted(sum(one.records or 0 for one in lists), lists[0].method, tables, signs).at("each text")


def _checked_by_remarks(found: Count, remarks: list[str]) -> Count:
    """Compare a count with the numbers in the short texts beside it; one of several pages may have a larger total."""
    if found.records is None or found.witness:
        return found
    lines = [line for remark in remarks for line in (split_lines(remark) or ())[:MAX_WITNESS_LINES]]
    relation = agreement(list(map(stated, lines)), found.records)
    if relation is Agreement.SILENT:
        return found
    sign = Sign.WITNESS_AGREES if relation is Agreement.AGREES else Sign.WITNESS_DISAGREES
    return found.stated_by("remark", sign)
