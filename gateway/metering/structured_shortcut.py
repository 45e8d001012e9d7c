"""Shortcut for a result that names its table and holds its rows under `rows` or `records` (about 3 µs for 1 KB).

It returns a result only if `result_count` would count the same records; otherwise it returns `None`, and `result_count`
runs. Two differences: a number of rows that the result states under an uncommon name is not compared, and neither
`EXPLAIN` nor a limit among the arguments has an influence.
"""

from __future__ import annotations

import msgspec

from gateway.metering.char_sampling import occurs_more_than
from gateway.metering.confidence import Sign, confidence
from gateway.metering.json.structure.partial_values import SkippedObject
from gateway.metering.metering_result import DECLARED, MeteringResult
from gateway.metering.table_names import read_table_name
from gateway.metering.tool_result import ABSENT, MAX_SMALL, ResultStatus, SmallToolResult, ToolResult

_MAX_ROWS = 50_000
"""Objects in large content (about 25 ns each)."""
_TABLE_WITHIN = 1_000
"""Bytes at the beginning and the end of large content in which the table's name is expected."""

_PLACE = "structuredContent"
_ROWS, _RECORDS, _RECORD_COUNT = f"{_PLACE}.rows", f"{_PLACE}.records", f"{_PLACE}.record_count"
_SIGNS: tuple[Sign, ...] = (Sign.DECLARED,)
_CONFIDENCE = confidence(_SIGNS)
_AGREEING_SIGNS = (Sign.DECLARED, Sign.WITNESS_AGREES)
_AGREEING_CONFIDENCE = confidence(_AGREEING_SIGNS)


class _ShortcutContent(msgspec.Struct, gc=False):
    table: str | None = None
    table_name: str | None = None
    rows: list[SkippedObject] | None = None
    records: list[SkippedObject] | None = None
    tables: msgspec.Raw = ABSENT
    record_count: int | None = None
    row_count: int | None = None
    count: int | None = None
    total: int | None = None

    def meter(self) -> MeteringResult | None:
        rows = self.rows if self.rows is not None else self.records
        if not rows or self.tables:
            return None
        table = read_table_name(self.table) or read_table_name(self.table_name)
        if table is None:
            return None
        path, records = _ROWS if rows is self.rows else _RECORDS, len(rows)
        witness = ""
        if (number := self.record_count) is not None:
            if number != records:
                return None
            witness = _RECORD_COUNT
        if self.count is not None or self.row_count is not None or self.total is not None:
            for name, number in (("count", self.count), ("row_count", self.row_count), ("total", self.total)):
                if number is not None and number != records:
                    return None
                witness = witness or ("" if number is None else f"{_PLACE}.{name}")
        signs, certainty = (_AGREEING_SIGNS, _AGREEING_CONFIDENCE) if witness else (_SIGNS, _CONFIDENCE)
        return MeteringResult((table,), records, DECLARED, None, (), certainty, path, witness, signs)


class ShortcutResult(ResultStatus, gc=False):
    """A `CallToolResult` whose rows are counted while it is decoded."""

    structuredContent: _ShortcutContent | None = None  # noqa: N815

    def metered(self) -> MeteredResult | None:
        """Return the result with its count; `None` if `result_count` has to read it."""
        declared = self.structuredContent
        if declared is None or self.isError is True or (metering := declared.meter()) is None:
            return None
        return MeteredResult(isError=self.isError, resultType=self.resultType, task=self.task, metering=metering)


class MeteredResult(SmallToolResult, gc=False, kw_only=True):
    """A `CallToolResult` that has been metered; its content is not kept."""

    metering: MeteringResult

    @property
    def is_tool_result(self) -> bool:
        return True


_decoder = msgspec.json.Decoder(_ShortcutContent)


def may_apply(data: bytes | bytearray, start: int) -> bool:
    """Return True if large content, from `start` to near the end of `data`, may be a declared table.

    It searches the beginning and the end for the table's name: decoding other content in vain would take as long as
    `result_count`.
    """
    if b'"table' not in data[start : start + _TABLE_WITHIN] and b'"table' not in data[-_TABLE_WITHIN:]:
        return False
    return not occurs_more_than(data, "{", _MAX_ROWS, start)


def read(result: ToolResult) -> MeteringResult | None:
    """Meter a result that declares its table and rows; `None` for any other."""
    data = result.structuredContent
    if type(result) is not SmallToolResult:
        if isinstance(result, MeteredResult):
            return result.metering
        if len(memoryview(data)) > MAX_SMALL and not may_apply(bytes(data), 0):
            return None
    if data is ABSENT or result.isError is True:
        return None
    try:
        return _decoder.decode(data).meter()
    except (ValueError, RecursionError):
        return None
