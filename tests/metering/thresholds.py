"""Thresholds of the confidence in a count: the outcomes with each, and the best one for all servers but one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from unittest.mock import patch

import msgspec

from gateway.metering import UNKNOWN
from tests.metering.corpus_cases import Case, meter_call

MAX_WRONG = 0.003
"""Share of wrong counts that a threshold may let through."""


def without_threshold(scored: Iterable[Case]) -> list[Case]:
    """Meter the cases so that every count is given, however small its confidence is."""
    with patch("gateway.metering.api.THRESHOLD", 0.0):
        return [msgspec.structs.replace(case, result=meter_call(case.call)) for case in scored]


def confidence_of(case: Case) -> float:
    """Return the confidence in the case's count; 1 for one without a number."""
    return 1.0 if case.result.confidence is None else case.result.confidence


def at_threshold(case: Case, threshold: float) -> Case:
    """Return the case with an unknown count if its confidence is below the threshold."""
    if confidence_of(case) >= threshold:
        return case
    return msgspec.structs.replace(case, result=msgspec.structs.replace(case.result, records=None, method=UNKNOWN))


def curve(counted: Sequence[Case]) -> Iterator[tuple[float, list[Case]]]:
    """Yield the thresholds that make a difference, each with the cases as they are with it."""
    for threshold in _thresholds(counted):
        yield threshold, [at_threshold(case, threshold) for case in counted]


def _thresholds(counted: Iterable[Case]) -> list[float]:
    return sorted({0.0, *(confidence_of(case) for case in counted)})


def best_threshold(counted: Sequence[Case]) -> float:
    """Return the threshold with the fewest unknown and at most `MAX_WRONG` wrong counts; the highest of several."""
    return _best(_outcomes(counted, _thresholds(counted)), len(counted))


Outcomes = dict[float, tuple[int, int]]
"""The numbers of unknown and wrong counts, by threshold."""


def _outcomes(counted: Sequence[Case], thresholds: Sequence[float]) -> Outcomes:
    found = {}
    for threshold in thresholds:
        at_it = [at_threshold(case, threshold) for case in counted]
        found[threshold] = (sum(case.is_unknown for case in at_it), sum(case.is_wrong for case in at_it))
    return found


def _best(outcomes: Outcomes, calls: int) -> float:
    good = [(unknown, -at) for at, (unknown, wrong) in outcomes.items() if wrong <= MAX_WRONG * calls]
    if good:
        return -min(good)[1]
    return -min((wrong, unknown, -at) for at, (unknown, wrong) in outcomes.items())[2]


def leave_one_server_out(counted: Sequence[Case]) -> list[Case]:
    """Return the cases of each server with the best threshold for the cases of all other servers."""
    servers: dict[str, list[Case]] = defaultdict(list)
    for case in counted:
        servers[case.server].append(case)
    thresholds = _thresholds(counted)
    everything = _outcomes(counted, thresholds)
    held_out = []
    for members in servers.values():
        own = _outcomes(members, thresholds)
        others = {at: (all_[0] - own[at][0], all_[1] - own[at][1]) for at, all_ in everything.items()}
        threshold = _best(others, len(counted) - len(members))
        held_out += [at_threshold(case, threshold) for case in members]
    return held_out
