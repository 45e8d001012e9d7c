"""Scores the metering on the corpus: `python -m tests.metering.score [--misses]`.

`tables` and `count` are exact (an alternative that the label allows is exact too); `unknown` is a missing count;
`wrong` is a count that differs from the label. Ambiguous cases are scored separately.
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
    """One call of the corpus with its metering result."""

    call: dict[str, Any]
    result: MeteringResult

    @property
    def is_ambiguous(self) -> bool:
        return bool(self.call["truth"].get("ambiguous"))

    @property
    def has_tables(self) -> bool:
        """True if the tables are right. For a failed call, tables that it named without reading them are right too."""
        truth = self.call["truth"]
        right = [set(truth["tables"])]
        if "alt_tables" in truth:
            right.append(set(truth["alt_tables"]))
        got = set(self.result.tables)
        return got in right or (bool(got) and got <= set(truth["tables"]) | set(truth.get("tables_named", ())))

    @property
    def has_count(self) -> bool:
        truth = self.call["truth"]
        return self.result.records in [truth["records"], *truth.get("alt_records", ())]

    @property
    def is_unknown(self) -> bool:
        return not self.has_count and self.result.records is None

    @property
    def is_wrong(self) -> bool:
        return not self.has_count and self.result.records is not None


def cases(path: Path = CORPUS) -> Iterator[Case]:
    """Meter the calls of the corpus."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            parse_sql(call["arguments"])
            result = json.dumps(call["result"], ensure_ascii=False, separators=(",", ":")).encode()
            yield Case(call, meter(call["tool"], call["arguments"], result))


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


def _print(title: str, groups: dict[str, list[Case]]) -> None:
    width = max(map(len, [*groups, title]))
    print(f"{title:{width}} " + " ".join(f"{name:>8}" for name in COLUMNS))
    for name, members in sorted(groups.items()):
        total = totals(members)
        print(f"{name:{width}} " + " ".join(f"{total[column]:>8}" for column in COLUMNS))
    print()


def _group(scored: Iterable[Case], by: str) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in scored:
        groups[case.call["server"] if by == "server" else case.result.method].append(case)
    return groups


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="print each case that is unknown or wrong")
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
                print("   truth", case.call["truth"], "\n   result", case.result)


if __name__ == "__main__":
    main()
