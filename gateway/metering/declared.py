"""The quick way: a result that declares its table and holds its records under a plain name.

Rules: it answers only where the long way would give the same answer, and leaves the rest to it. About 3 µs for 1 KB.
"""

from __future__ import annotations

import msgspec

from gateway.metering.metered import DECLARED, Metered, read_table
from gateway.metering.wire import ABSENT, MAX_SMALL, LargeResult, Result


class _Row(msgspec.Struct, gc=False):
    """Any object."""


_ABSENT = msgspec.Raw(b"")
_MAX_ROWS = 50_000
"""Objects in large content; each takes about 40 ns."""
_ENDS = 1_000
"""Bytes at the beginning and the end of large content where the table may be named."""


class _Declared(msgspec.Struct, gc=False):
    table: str | None = None
    table_name: str | None = None
    rows: list[_Row] | None = None
    records: list[_Row] | None = None
    tables: msgspec.Raw = _ABSENT


_declared = msgspec.json.Decoder(_Declared)


def _is_likely(data: bytes) -> bool:
    """Whether a large value names a table where that is written: at its beginning or its end. Reading it in vain would
    take as long as the long way."""
    return (b'"table' in data[:_ENDS] or b'"table' in data[-_ENDS:]) and data.count(b"{") <= _MAX_ROWS


def read(result: Result | LargeResult) -> Metered | None:
    """The answer, where `structuredContent` names its table and holds `rows` or `records`; else `None`."""
    data = result.structuredContent
    if data is ABSENT or result.isError is True:
        return None
    if len(memoryview(data)) > MAX_SMALL and not _is_likely(bytes(data)):
        return None
    try:
        declared = _declared.decode(data)
    except (ValueError, RecursionError):
        return None
    if bytes(declared.tables):
        return None
    table = read_table(declared.table) or read_table(declared.table_name)
    rows = declared.rows if declared.rows is not None else declared.records
    if not table or not rows:
        return None
    return Metered((table,), len(rows), DECLARED)
