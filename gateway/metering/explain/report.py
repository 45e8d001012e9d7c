"""A report of a wrong count: an anonymized call that is metered as the original is.

A report is a recorded call, so it can be explained. Whether it reproduces the count is found by metering both.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.metering.api import meter, parse_sql
from gateway.metering.explain.anonymization import Anonymizer
from gateway.metering.explain.recorded_call import RecordedCall, read_call
from gateway.metering.metering_result import MeteringResult

ATTEMPTS = 4
"""Sets of replacements that are tried until one reproduces the count; the later half keeps numbers below 1,000."""


class Metered(msgspec.Struct, frozen=True):
    """The parts of a metering result that a report has to reproduce."""

    records: int | None
    count_method: str
    tables: int
    """The number of tables."""


class Report(msgspec.Struct, frozen=True):
    """An anonymized call, with the metering of the original and its own."""

    call: dict[str, Any]
    original: Metered
    anonymized: Metered

    @property
    def reproduces(self) -> bool:
        return self.original == self.anonymized


def report(
    call: RecordedCall, salt: bytes, version: str, records: int | None = None, tables: Sequence[str] | None = None
) -> Report:
    """Anonymize a call; `records` and `tables` are those that would be right. Its duration is not bounded.

    The report does not reproduce the count if the metering depends on something that was replaced. Raises `ValueError`
    with a message that completes "the file …".
    """
    try:
        return _report_of(call, salt, version, records, tables)
    except RecursionError:
        raise ValueError("is nested too deeply to be anonymized") from None


def _report_of(
    call: RecordedCall, salt: bytes, version: str, records: int | None, tables: Sequence[str] | None
) -> Report:
    original = _metered(call)
    reports = []
    for attempt in range(ATTEMPTS):
        attempt_salt = hmac.digest(salt, bytes([attempt]), hashlib.sha256)
        anonymizer = Anonymizer(call, attempt_salt, keeps_short_numbers=attempt >= ATTEMPTS // 2)
        expected: dict[str, Any] = {} if records is None else {"records": records}
        if tables is not None:
            expected["tables"] = [anonymizer.name(table) for table in tables]
        reports.append(_report(anonymizer.call(), original, version, expected))
        if reports[-1].reproduces:
            return reports[-1]
    return reports[0]


def _report(call: RecordedCall, original: Metered, version: str, expected: dict[str, Any]) -> Report:
    content = {
        "tool": call.tool,
        "arguments": call.arguments,
        "result": msgspec.json.decode(call.result_json),
        **call.declaration,
    }
    anonymized = _metered(read_call(json.dumps(content)))
    metered = {**msgspec.to_builtins(original), "version": version, "reproduced": original == anonymized}
    return Report(content | {"metered": metered} | ({"expected": expected} if expected else {}), original, anonymized)


def _metered(call: RecordedCall) -> Metered:
    parse_sql(call.arguments)
    result: MeteringResult = meter(call.tool, call.arguments, call.result_json, None, call.hints)
    return Metered(result.records, result.method, len(result.tables))
