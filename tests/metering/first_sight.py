"""The metering's answers when it first met a server, which show how good it is for servers that nobody has seen.

They are recorded once, before anybody works on the calls, and never rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.metering import MeteringResult
from gateway.metering.confidence import Sign
from tests.metering.corpus_cases import FIRST_SIGHT, Case, cases, read_lines


def first_sight_cases(scored: Iterable[Case], path: Path = FIRST_SIGHT) -> Iterator[Case]:
    """Yield the cases whose first answer is recorded, with that answer as their result."""
    answers = _read(path)
    for case in scored:
        if (answer := answers.get(case.call["id"])) is not None:
            yield msgspec.structs.replace(case, result=answer)


def record_first_sight(corpus: Path, path: Path = FIRST_SIGHT) -> int:
    """Record the present answers for the calls of a corpus that have none, and return their number."""
    known = _read(path)
    new = [case for case in cases(corpus) if case.call["id"] not in known]
    with path.open("a", encoding="utf-8") as file:
        for case in new:
            answer = {
                "tables": case.result.tables,
                "records": case.result.records,
                "method": case.result.method,
                "signs": sorted(set(case.result.signs)),
            }
            file.write(json.dumps({"id": case.call["id"], **answer}, ensure_ascii=False) + "\n")
    return len(new)


def _read(path: Path) -> dict[str, MeteringResult]:
    if not path.exists():
        return {}
    return {one["id"]: _answer(one) for one in read_lines(path)}


def _answer(stored: dict[str, Any]) -> MeteringResult:
    """Return a recorded answer; the earlier ones are without signs."""
    signs = tuple(map(Sign, stored.get("signs", ())))
    return MeteringResult(tuple(stored["tables"]), stored["records"], stored["method"], signs=signs)
