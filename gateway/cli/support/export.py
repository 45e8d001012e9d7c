"""Exports: files that are written in chunks, to a file or to standard output."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import typer

from gateway.cli.support.output import CliError, print_stderr
from gateway.usage.store.formats import Format

_PROGRESS_SECONDS = 0.2


FormatOption = Annotated[Format, typer.Option("--format", help="Format of the file.")]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="File to write.", show_default="standard output")]


class Export(NamedTuple):
    """A started export."""

    chunks: AsyncGenerator[bytes]
    rows: int | None = None
    """Number of rows when it started, if known; there may be more at its end."""
    unit: str = "rows"


def check_output(output: Path | None, fmt: Format) -> None:
    """Raise `CliError` for Parquet on a terminal."""
    if output is None and sys.stdout.isatty() and fmt is Format.PARQUET:
        raise CliError("a terminal cannot show Parquet: name a file with --output")


async def write_export(export: Export, fmt: Format, output: Path | None) -> None:
    """Write an export, and show its progress on a terminal. Raises `CliError`."""
    with _file(output) as file:
        await _write(export, fmt, file)


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


async def _write(export: Export, fmt: Format, file: IO[bytes]) -> None:
    size, lines, shown_at, started_at = 0, 0, 0.0, time.monotonic()
    async with aclosing(export.chunks) as chunks:
        async for chunk in chunks:
            file.write(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            if sys.stderr.isatty() and time.monotonic() - shown_at > _PROGRESS_SECONDS:
                shown_at = time.monotonic()
                sys.stderr.write(f"\r{_progress(export, fmt, lines, size)}\x1b[K")
                sys.stderr.flush()
    file.flush()
    end = "\r\x1b[K" if sys.stderr.isatty() else ""
    total = "" if export.rows is None else f"{export.rows:,} {export.unit}, "
    print_stderr(f"{end}{total}{size / 1e6:,.1f} MB in {time.monotonic() - started_at:.1f} s")


def _progress(export: Export, fmt: Format, lines: int, size: int) -> str:
    megabytes = f"{size / 1e6:,.1f} MB"
    if export.rows is None:
        return megabytes
    if fmt is Format.PARQUET:
        return f"{megabytes} of {export.rows:,} {export.unit}"
    # Line breaks within CSV fields are counted, too.
    done = min(lines, export.rows)
    return f"{done:,} of {export.rows:,} {export.unit} ({100 * done // max(export.rows, 1)} %), {megabytes}"
