"""`mcp-gateway usage export`: writes single calls to a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NamedTuple

import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_stderr
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.usage import period
from gateway.cli.usage.database import usage_table

if TYPE_CHECKING:
    from gateway.usage.store.queries.period import Period

_PROGRESS_SECONDS = 0.2


class Format(StrEnum):
    """File formats."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class _Export(NamedTuple):
    """A started export."""

    calls: int
    """Number of calls when it started; there may be more at its end."""
    chunks: AsyncGenerator[bytes]


def export(
    fmt: Annotated[Format, typer.Option("--format", help="Format of the file.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write.", show_default="standard output")
    ] = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Calls of one user.", show_default="all")] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="Calls with one key.")] = None,
    tool: Annotated[str | None, typer.Option(metavar="NAME", help="Calls of one tool.")] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="Calls that read one table.")] = None,
    client: Annotated[str | None, typer.Option(metavar="NAME", help="Calls of one client.")] = None,
    status: Annotated[str | None, typer.Option(help="Calls with ok, tool_error, rpc_error or denied.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Write single calls to a file, ordered by owner and time.

    \b
    Examples:
      mcp-gateway usage export --output usage.csv
      mcp-gateway usage export --format parquet --from 2026-01-01 --to 2026-01-31 --output january.parquet
    """
    if output is None and sys.stdout.isatty() and fmt is Format.PARQUET:
        raise CliError("a terminal cannot show Parquet: name a file with --output")
    bounds = period.Chosen(None, since, until, zone).for_calls()
    values = {
        "owner": owner and owner.strip().casefold(), "key_id": key_id, "tool": tool, "table": table,
        "client": client, "status": status,
    }  # fmt: skip
    filters = {name: value for name, value in values.items() if value is not None}

    async def work(stores: Stores) -> None:
        async with _started(stores, filters, bounds, fmt) as started:
            with _file(output) as file:
                await _write(started, fmt, file)

    with_stores(config, data_dir, work)


@asynccontextmanager
async def _started(stores: Stores, filters: Mapping[str, str], bounds: Period, fmt: Format) -> AsyncIterator[_Export]:
    async with usage_table(stores) as table:
        if table is None:
            query = {**filters, **period.bounds_query(bounds)} | ({} if "owner" in filters else {"all": "true"})
            page = await admin_client.get_json(stores, "/api/mcp-usage/history", {**query, "page_size": "1"})
            chunks = admin_client.download(stores, "/api/mcp-usage/export", {**query, "format": fmt.value})
            yield _Export(page["total"], chunks)
            return
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.export import Format as TableFormat
        from gateway.usage.store.export import export as exported
        from gateway.usage.store.queries.filters import CallFilters
        from gateway.usage.store.queries.history import history

        history_filters = CallFilters(since=bounds.since, until=bounds.until, **filters)
        await wait_until_stored(stores.redis)
        page = await history(table, history_filters, 1, 1)
        yield _Export(page.total, exported(table, history_filters, TableFormat(fmt.value)))


@contextmanager
def _file(output: Path | None) -> Iterator[IO[bytes]]:
    """Yield the file to write to, with mode 0600. It gets its name when it is complete."""
    if output is None:
        yield sys.stdout.buffer
        return
    unfinished = output.with_name(output.name + ".part")
    try:
        with open(unfinished, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            yield file
        unfinished.replace(output)
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


async def _write(started: _Export, fmt: Format, file: IO[bytes]) -> None:
    size, lines, shown_at, started_at = 0, 0, 0.0, time.monotonic()
    async with aclosing(started.chunks) as chunks:
        async for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            if sys.stderr.isatty() and time.monotonic() - shown_at > _PROGRESS_SECONDS:
                shown_at = time.monotonic()
                sys.stderr.write(f"\r{_progress(started.calls, fmt, lines, size)}\x1b[K")
                sys.stderr.flush()
    file.flush()
    end = "\r\x1b[K" if sys.stderr.isatty() else ""
    print_stderr(f"{end}{started.calls:,} calls, {size / 1e6:,.1f} MB in {time.monotonic() - started_at:.1f} s")


def _progress(calls: int, fmt: Format, lines: int, size: int) -> str:
    if fmt is Format.PARQUET:
        return f"{size / 1e6:,.1f} MB of {calls:,} calls"
    # Line breaks within CSV fields are counted, too.
    done = min(lines, calls)
    return f"{done:,} of {calls:,} calls ({100 * done // max(calls, 1)} %), {size / 1e6:,.1f} MB"
