"""Restoring the usage table from Parquet files of this and of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.usage.event import UsageEvent
from gateway.usage.store.export import export
from gateway.usage.store.formats import Format
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import history
from gateway.usage.store.table import UsageTable
from tests.usage.support import NOW_MS, event, run_python

DETAILS: dict[str, Any] = {
    "count_path": "structuredContent.rows",
    "count_witness": "structuredContent.row_count",
    "count_signs": ("common_list", "witness_agrees"),
    "count_confidence": 0.953,
}


def calls() -> list[UsageEvent]:
    return [
        event(created_at=NOW_MS + 2, record_count=None, table_names=(), request_id='"7"'),
        event(created_at=NOW_MS + 1, table_names=("a", "b"), record_count=(1 << 64) - 1, is_error=True),
        event(
            created_at=NOW_MS, owner="bob@example.com", written_tables=("w",), key_name='say "hi",\n☃/\\N', **DETAILS
        ),
    ]


async def parquet_of(table: UsageTable, file: Path, *, without: tuple[str, ...]) -> None:
    """Export the table into a file that lacks some columns, as that of an earlier version."""
    whole = file.with_suffix(".whole")
    whole.write_bytes(b"".join([chunk async for chunk in export(table, CallFilters(), Format.PARQUET)]))
    kept = f"* EXCEPT ({', '.join(without)})" if without else "*"
    sql = f"INSERT INTO FUNCTION file('{file}', 'Parquet') SELECT {kept} FROM file('{whole}', 'Parquet')"
    await table.write_async(sql, {})


def restored(folder: Path, parquet: Path) -> dict[str, Any]:
    """Restore a file in a separate process, as chDB has one folder in a process; return the history and the sums."""
    found = run_python(f"""
        import asyncio, json, msgspec
        from pathlib import Path
        from gateway.usage.store.queries.filters import CallFilters
        from gateway.usage.store.queries.history import history
        from gateway.usage.store.restore import restore_tables
        from gateway.usage.store.table import UsageTable
        from tests.usage.support import rolled_up

        async def main():
            restore_tables(Path({str(folder)!r}), {{"mcp_tool_usage_log": Path({str(parquet)!r})}})
            table = UsageTable({f"chdb://{folder}"!r})
            page = await history(table, CallFilters())
            print(json.dumps({{"items": msgspec.to_builtins(page.items), "sums": await rolled_up(table)}}))
            table.close()

        asyncio.run(main())
    """)
    assert found.returncode == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


LATER_COLUMNS: dict[str, Any] = {
    "written_tables": [],
    "count_path": "",
    "count_witness": "",
    "count_signs": [],
    "count_confidence": None,
}
"""The columns that earlier versions lack, and what their rows have instead."""


@pytest.mark.parametrize(
    "without",
    [(), tuple(LATER_COLUMNS)[1:], tuple(LATER_COLUMNS)],
    ids=["this version", "before the details of a count", "before written_tables"],
)
async def test_a_file_restores_the_calls_and_their_sums(
    table: UsageTable, tmp_path: Path, without: tuple[str, ...]
) -> None:
    await table.insert_async(calls(), "token")
    expected = [msgspec.to_builtins(item) for item in (await history(table, CallFilters())).items]
    if without:
        assert all(sum(bool(item[name]) for item in expected) == 1 for name in without)
        expected = [{**item, **{name: LATER_COLUMNS[name] for name in without}} for item in expected]
    file = tmp_path / "usage.parquet"
    await parquet_of(table, file, without=without)
    answer = restored(tmp_path / "clickhouse", file)
    assert answer["items"] == json.loads(msgspec.json.encode(expected))
    assert answer["sums"][0] == len(expected)
