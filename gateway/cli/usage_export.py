"""`mcp-gateway usage export`: single calls as a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_stderr
from gateway.cli.support.services import Services, with_services
from gateway.cli.usage_database import usage_table

_PROGRESS_SECONDS = 0.2


class Format(StrEnum):
    """What the file is."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class _Export(NamedTuple):
    """An export under way."""

    calls: int
    """How many calls there will be, but for those that come meanwhile."""
    pieces: AsyncGenerator[bytes]


def export(
    fmt: Annotated[Format, typer.Option("--format", help="What the file is.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it.", show_default="standard output")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="DATE", help="From this date or time on.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DATE", help="To this date, or before a time.")] = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Of one user.", show_default="all")] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="With one key.")] = None,
    tool: Annotated[str | None, typer.Option(metavar="NAME", help="Of one tool.")] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="That read one table.")] = None,
    status: Annotated[str | None, typer.Option(help="ok, tool_error, rpc_error or denied.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Write single calls to a file, by owner and time, the earliest first.

    \b
    Examples:
      mcp-gateway usage export --output usage.csv
      mcp-gateway usage export --format parquet --from 2026-01-01 --to 2026-01-31 --output january.parquet
    """
    if output is None and sys.stdout.isatty() and fmt is Format.PARQUET:
        raise CliError("a terminal cannot show Parquet: name a file with --output")
    asked = {
        "from": since, "to": until, "owner": owner and owner.strip().casefold(), "key_id": key_id,
        "tool": tool, "table": table, "status": status,
    }  # fmt: skip
    filters = {name: value for name, value in asked.items() if value is not None}

    async def work(services: Services) -> None:
        async with _begun(services, filters, fmt) as begun:
            with _file(output) as file:
                await _write(begun, fmt, file)

    with_services(config, data_dir, work)


@asynccontextmanager
async def _begun(services: Services, filters: Mapping[str, str], fmt: Format) -> AsyncIterator[_Export]:
    async with usage_table(services) as table:
        if table is None:
            query = dict(filters) if "owner" in filters else {**filters, "all": "true"}
            page = await admin_client.get_json(services, "/api/mcp-usage/history", {**query, "page_size": "1"})
            pieces = admin_client.download(services, "/api/mcp-usage/export", {**query, "format": fmt.value})
            yield _Export(page["total"], pieces)
            return
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store import queries
        from gateway.usage.store.export import Format as TableFormat
        from gateway.usage.store.export import export as exported
        from gateway.usage.store.models import HistoryFilters

        chosen = HistoryFilters(
            since=_moment("from", filters, end_of_day=False),
            until=_moment("to", filters, end_of_day=True),
            **{name: value for name, value in filters.items() if name not in ("from", "to")},
        )
        if chosen.since is not None and chosen.until is not None and chosen.since >= chosen.until:
            raise CliError("--from must be before --to")
        await wait_until_stored(services.redis)
        page = await queries.history(table, chosen, 1, 1)
        yield _Export(page.total, exported(table, chosen, TableFormat(fmt.value)))


def _moment(name: str, filters: Mapping[str, str], *, end_of_day: bool) -> int | None:
    from gateway.timestamps import parse_timestamp

    if name not in filters:
        return None
    try:
        return parse_timestamp(filters[name], end_of_day=end_of_day)
    except ValueError:
        raise CliError(
            f"--{name} must be a date such as 2026-01-31 or a time with its offset such as 2026-01-31T12:00:00Z"
        ) from None


@contextmanager
def _file(output: Path | None) -> Iterator[IO[bytes]]:
    """The file to write into; under its name only when it is whole, and for its owner alone."""
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


async def _write(begun: _Export, fmt: Format, file: IO[bytes]) -> None:
    size, lines, shown, started = 0, 0, 0.0, time.monotonic()
    async with aclosing(begun.pieces) as pieces:
        async for piece in pieces:
            file.write(piece)
            size += len(piece)
            lines += piece.count(b"\n")
            if sys.stderr.isatty() and time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                sys.stderr.write(f"\r{_progress(begun.calls, fmt, lines, size)}\x1b[K")
                sys.stderr.flush()
    file.flush()
    end = "\r\x1b[K" if sys.stderr.isatty() else ""
    print_stderr(f"{end}{begun.calls:,} calls, {size / 1e6:,.1f} MB in {time.monotonic() - started:.1f} s")


def _progress(calls: int, fmt: Format, lines: int, size: int) -> str:
    if fmt is Format.PARQUET:
        return f"{size / 1e6:,.1f} MB of {calls:,} calls"
    # A line break in a text of a CSV looks like a call.
    done = min(lines, calls)
    return f"{done:,} of {calls:,} calls ({100 * done // max(calls, 1)} %), {size / 1e6:,.1f} MB"
