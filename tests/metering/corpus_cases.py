"""The calls of the corpora with their metering results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.metering import MeteringResult, meter, parse_sql
from gateway.metering.tool_declarations import ToolHints, parse_hints

FOLDER = Path(__file__).with_name("corpus")
FIRST_SIGHT = FOLDER / "first_sight.jsonl"
CORPUS = FOLDER / "calls.jsonl"
CORPORA = [path for path in FOLDER.glob("*.jsonl") if path != FIRST_SIGHT]


class Case(msgspec.Struct, frozen=True):
    """One call of a corpus with its metering result."""

    call: dict[str, Any]
    result: MeteringResult
    group: str = "calls"
    """The corpus that it is in."""

    @property
    def server(self) -> str:
        return str(self.call["server"])

    @property
    def signs(self) -> str:
        return " + ".join(self.result.signs)

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


def all_cases(paths: Iterable[Path]) -> Iterator[Case]:
    """Meter the calls of several corpora."""
    for path in paths:
        yield from cases(path)


def cases(path: Path = CORPUS) -> Iterator[Case]:
    """Meter the calls of a corpus."""
    for call in read_lines(path):
        yield Case(call, meter_call(call), path.stem)


def meter_call(call: dict[str, Any]) -> MeteringResult:
    """Meter a call of a corpus, with the schemas that its tool declares."""
    parse_sql(call["arguments"])
    result = json.dumps(call["result"], ensure_ascii=False, separators=(",", ":")).encode()
    return meter(call["tool"], call["arguments"], result, None, hints(call))


def hints(call: dict[str, Any]) -> ToolHints:
    """Return the hints in the declaration of the call's tool."""
    return parse_hints(msgspec.json.encode({"input": call.get("inputSchema"), "output": call.get("outputSchema")}))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of one JSON object in each line."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
