"""The quick way: a result that declares its table and holds its records under a plain name.

Rules: it answers only where the long way would give the same answer, and leaves the rest to it. About 3 µs for 1 KB.
"""

from __future__ import annotations

import msgspec

from gateway.metering.metered import DECLARED, Metered, read_table
from gateway.metering.text.char_sampling import has_more
from gateway.metering.wire import ABSENT, MAX_SMALL, LargeResult, Result, ResultKind


class _Row(msgspec.Struct, gc=False):
    """Any object."""


_ABSENT = msgspec.Raw(b"")
_MAX_ROWS = 50_000
"""Objects in large content; each takes about 25 ns."""
_ENDS = 1_000
"""Bytes at the beginning and the end of large content where the table may be named."""


class _Declared(msgspec.Struct, gc=False):
    table: str | None = None
    table_name: str | None = None
    rows: list[_Row] | None = None
    records: list[_Row] | None = None
    tables: msgspec.Raw = _ABSENT

    def metered(self) -> Metered | None:
        if bytes(self.tables):
            return None
        table = read_table(self.table) or read_table(self.table_name)
        rows = self.rows if self.rows is not None else self.records
        return Metered((table,), len(rows), DECLARED) if table and rows else None


class DeclaredResult(ResultKind, gc=False):
    """A `CallToolResult` whose records are counted in the pass that reads it."""

    structuredContent: _Declared | None = None  # noqa: N815

    def counted(self) -> CountedResult | None:
        """The same with its count; `None` where it is to be read the long way."""
        declared = self.structuredContent
        if declared is None or self.isError is True or (metered := declared.metered()) is None:
            return None
        return CountedResult(isError=self.isError, resultType=self.resultType, task=self.task, metered=metered)


class CountedResult(Result, gc=False, kw_only=True):
    """A `CallToolResult` of which all is known that is of interest."""

    metered: Metered

    @property
    def is_of_a_tool(self) -> bool:
        return True


_declared = msgspec.json.Decoder(_Declared)


def is_likely(data: bytes | bytearray, at: int) -> bool:
    """Whether large content, which begins at `at` and ends near the end of `data`, names a table where that is written:
    at its beginning or its end. Reading it in vain would take as long as the long way."""
    if b'"table' not in data[at : at + _ENDS] and b'"table' not in data[-_ENDS:]:
        return False
    return not has_more(data, "{", _MAX_ROWS, at)


def read(result: Result | LargeResult) -> Metered | None:
    """The answer, where `structuredContent` names its table and holds `rows` or `records`; else `None`."""
    if isinstance(result, CountedResult):
        return result.metered
    data = result.structuredContent
    if data is ABSENT or result.isError is True:
        return None
    if len(memoryview(data)) > MAX_SMALL and not is_likely(bytes(data), 0):
        return None
    try:
        return _declared.decode(data).metered()
    except (ValueError, RecursionError):
        return None
