"""Scores the metering on the corpora: `python -m tests.metering.score [--misses] [--leave-one-out] [--json]`.

`tables` and `count` are exact (an alternative that the label allows is exact too); `unknown` is a missing count;
`wrong` is a count that differs from the label. Ambiguous cases are scored separately. Begin with `main`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from tests.metering.corpus_cases import CORPORA, Case, all_cases, cases
from tests.metering.first_sight import first_sight_cases, record_first_sight
from tests.metering.thresholds import MAX_WRONG, curve, leave_one_server_out, without_threshold

__all__ = ["Case", "cases", "totals"]

COLUMNS = ("cases", "both", "tables", "count", "unknown", "wrong")


def totals(scored: Iterable[Case]) -> Counter[str]:
    """Count the cases by outcome."""
    total: Counter[str] = Counter()
    for case in scored:
        total["cases"] += 1
        total["both"] += case.has_tables and case.has_count
        total["tables"] += case.has_tables
        total["count"] += case.has_count
        total["unknown"] += case.is_unknown
        total["wrong"] += case.is_wrong
    return total


def by_group(scored: Iterable[Case], key: str = "group") -> dict[str, Counter[str]]:
    """Count the outcomes of the cases with each value of an attribute: by corpus, unless another is given."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in scored:
        groups[attrgetter(key)(case)].append(case)
    return {name: totals(members) for name, members in sorted(groups.items())}


def clear(scored: Iterable[Case]) -> list[Case]:
    """Return the cases with a clear label."""
    return [case for case in scored if not case.is_ambiguous]


def figures(scored: list[Case], is_leave_one_out: bool) -> dict[str, Any]:
    """Return all figures, for people and programs."""
    ambiguous = [case for case in scored if case.is_ambiguous]
    found: dict[str, Any] = {
        "server": by_group(clear(scored), "server"),
        "shape": by_group(clear(scored), "result.method"),
        "corpus": by_group(clear(scored)),
        "in all": {"clear": totals(clear(scored)), "ambiguous": totals(ambiguous)},
    }
    counted = without_threshold(clear(scored))
    if is_leave_one_out:
        first = clear(first_sight_cases(scored))
        held_out = leave_one_server_out(counted)
        found = {
            "at first sight": {**by_group(first), "in all": totals(first)},
            "at first sight, by signs": by_group((case for case in first if case.result.signs), "signs"),
            "threshold chosen without the server": {**by_group(held_out), "in all": totals(held_out)},
        }
    return found | {"wrong versus unknown, by threshold": {f"{at:.3f}": totals(at_it) for at, at_it in curve(counted)}}


def _print(title: str, groups: dict[str, Counter[str]]) -> None:
    width = max(map(len, [*groups, title]))
    print(f"{title:{width}} " + " ".join(f"{name:>14}" for name in COLUMNS))
    for name, total in groups.items():
        print(f"{name:{width}} " + " ".join(_cell(total, column) for column in COLUMNS))
    print()


def _cell(total: Counter[str], column: str) -> str:
    if column == "cases" or not total["cases"]:
        return f"{total[column]:>14}"
    return f"{total[column]:>6} {100 * total[column] / total['cases']:>5.1f} %"


def _print_misses(scored: Iterable[Case]) -> None:
    for case in scored:
        if not (case.has_tables and case.has_count):
            print(case.call["id"], case.call["tool"], json.dumps(case.call["arguments"])[:200])
            print("   truth", case.call["truth"], "\n   result", case.result)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="print each case that is unknown or wrong")
    parser.add_argument("--corpus", type=Path, action="append", help="only this file; may be repeated")
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="print the outcomes when each server was first met, and with a threshold that was chosen without it "
        f"(the fewest unknown with at most {100 * MAX_WRONG:.1f} %% wrong)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--record-first-sight",
        type=Path,
        metavar="FILE",
        help="store the present outcomes of the calls in FILE as those at first sight, unless they are stored",
    )
    options = parser.parse_args()
    if options.record_first_sight:
        print(f"{record_first_sight(options.record_first_sight)} calls recorded")
        return
    scored = list(all_cases(options.corpus or sorted(CORPORA)))
    found = figures(scored, options.leave_one_out)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for title, groups in found.items():
        _print(title, groups)
    if options.misses:
        _print_misses(scored)


if __name__ == "__main__":
    main()
