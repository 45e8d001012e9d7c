"""Scores the metering on the corpus: `python -m tests.metering.score [--misses]`.

`tables` and `count` are exact answers (an answer that the label names as just as defensible is exact too); `unknown`
is a count that is not given though there is one; `wrong` is a count that is not the truth. Ambiguous cases are scored
apart.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.metering import MeteringResult, meter, parse_sql

CORPUS = Path(__file__).with_name("corpus") / "calls.jsonl"
COLUMNS = ("cases", "both", "tables", "count", "unknown", "wrong")


class Case(msgspec.Struct, frozen=True):
    """One call of the corpus with the answer of the metering."""

    call: dict[str, Any]
    answer: MeteringResult

    @property
    def is_ambiguous(self) -> bool:
        return bool(self.call["truth"].get("ambiguous"))

    @property
    def has_tables(self) -> bool:
        """Whether the tables are right. A failed call may name what it named and did not read."""
        truth = self.call["truth"]
        right = [set(truth["tables"])]
        if "alt_tables" in truth:
            right.append(set(truth["alt_tables"]))
        got = set(self.answer.tables)
        return got in right or (bool(got) and got <= set(truth["tables"]) | set(truth.get("tables_named", ())))

    @property
    def has_count(self) -> bool:
        truth = self.call["truth"]
        return self.answer.records in [truth["records"], *truth.get("alt_records", ())]

    @property
    def is_unknown(self) -> bool:
        return not self.has_count and self.answer.records is None

    @property
    def is_wrong(self) -> bool:
        return not self.has_count and self.answer.records is not None


def cases(path: Path = CORPUS) -> Iterator[Case]:
    """The calls of the corpus, metered."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            parse_sql(call["arguments"])
            result = json.dumps(call["result"], ensure_ascii=False, separators=(",", ":")).encode()
            yield Case(call, meter(call["tool"], call["arguments"], result))


def tally(scored: Iterable[Case]) -> Counter[str]:
    """How many of the cases are right in what."""
    total: Counter[str] = Counter()
    for case in scored:
        total["cases"] += 1
        total["both"] += case.has_tables and case.has_count
        total["tables"] += case.has_tables
        total["count"] += case.has_count
        total["unknown"] += case.is_unknown
        total["wrong"] += case.is_wrong
    return total


def _print(title: str, groups: dict[str, list[Case]]) -> None:
    width = max(map(len, [*groups, title]))
    print(f"{title:{width}} " + " ".join(f"{name:>8}" for name in COLUMNS))
    for name, members in sorted(groups.items()):
        total = tally(members)
        print(f"{name:{width}} " + " ".join(f"{total[column]:>8}" for column in COLUMNS))
    print()


def _group(scored: Iterable[Case], by: str) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in scored:
        groups[case.call["server"] if by == "server" else case.answer.method].append(case)
    return groups


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="print each case that is not right")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args()
    scored = list(cases(options.corpus))
    clear = [case for case in scored if not case.is_ambiguous]
    _print("server", _group(clear, "server"))
    _print("shape", _group(clear, "shape"))
    _print("in all", {"clear": clear, "ambiguous": [case for case in scored if case.is_ambiguous]})
    if options.misses:
        for case in scored:
            if not (case.has_tables and case.has_count):
                print(case.call["id"], case.call["tool"], json.dumps(case.call["arguments"])[:200])
                print("   truth", case.call["truth"], "\n   given", case.answer)


if __name__ == "__main__":
    main()
