"""The parts of a result that could have given the count: the winner, and why the others lost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.metering.confidence import Sign, confidence
from gateway.metering.metering_result import ERROR, RULE, WRITE_STATEMENT, Count, CountKind, MeteringResult

MAX_LISTS = 10
"""Lists of the structured content that are listed."""

_DECIDED = {
    RULE: "your rule gives the number",
    WRITE_STATEMENT: "the statement returns no rows",
    ERROR: "the call failed",
}
"""Methods that give the number whatever the parts of the result have."""
_KINDS_LOST = {
    CountKind.OBJECT: "it is one object, and another part has a list or states a number",
    CountKind.STATED: "it only states a number, and another part has the records",
    CountKind.COUNTED: "it does not fit together with the other texts",
}


class Candidate(msgspec.Struct, frozen=True):
    """A part of the result that could have given the count."""

    place: str
    records: int | None
    method: str
    confidence: float
    signs: tuple[Sign, ...]
    has_won: bool
    reason: str
    """The reason why it has won or lost."""


def candidates(
    result: MeteringResult, structured: Count, lists: Sequence[tuple[str, int]], texts: Sequence[Count]
) -> tuple[Candidate, ...]:
    """Return the candidates in the order in which they are read, then the other lists of the structured content.

    `lists` are the paths and lengths of the lists in it, if its records were counted.
    """
    is_structured = structured.kind is not CountKind.NONE
    best_text = max((one.kind for one in texts), default=CountKind.NONE)
    structured_wins = is_structured and structured.kind >= min(best_text, CountKind.COUNTED)
    found = []
    if is_structured:
        reason = "it is read first" if structured_wins else _KINDS_LOST[structured.kind]
        found.append(_candidate(structured, "structuredContent", structured_wins, reason))
    for number, count in enumerate(texts, start=1):
        if count.kind is not CountKind.NONE:
            found.append(_text_candidate(count, number, structured_wins, best_text))
    found += _other_lists(lists, structured)
    return tuple(_decided(one, result) for one in found)


def _decided(candidate: Candidate, result: MeteringResult) -> Candidate:
    """Return the candidate as the whole call decides."""
    if result.method in _DECIDED and result.records is not None:
        return msgspec.structs.replace(candidate, has_won=False, reason=_DECIDED[result.method])
    if candidate.has_won and result.records is None:
        reason = "it is the best, but not good enough: the count is unknown"
        return msgspec.structs.replace(candidate, has_won=False, reason=reason)
    return candidate


def _text_candidate(count: Count, number: int, structured_wins: bool, best: CountKind) -> Candidate:
    if structured_wins:
        reason = "structuredContent is read first, and this repeats it"
    elif count.kind < best:
        reason = _KINDS_LOST[count.kind]
    else:
        reason = "it has records; the counts of several texts add up"
    return _candidate(count, f"text {number}", not structured_wins and count.kind is best, reason)


def _candidate(count: Count, place: str, has_won: bool, reason: str) -> Candidate:
    path = count.path if count.path.startswith(place) else f"{place}: {count.path}" if count.path else place
    return Candidate(path, count.records, count.method, confidence(count.signs), count.signs, has_won, reason)


def _other_lists(lists: Sequence[tuple[str, int]], chosen: Count) -> list[Candidate]:
    others = [
        (path, length)
        for path, length in lists
        if length != chosen.records and not path.startswith(chosen.path or "structuredContent.")
    ]
    return [
        Candidate(path, length, "list", 0.0, (), False, f"{chosen.path or 'another member'} fits better as the records")
        for path, length in others[:MAX_LISTS]
    ]
