"""Files with a recorded call, as the commands read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support.output import CliError

if TYPE_CHECKING:
    from gateway.metering.explain.recorded_call import RecordedCall

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Bytes of a file with a recorded call."""

CallFile = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON with tool, arguments and result; - for standard input.")
]


def read_call_file(name: str) -> RecordedCall:
    """Read the recorded call in a file; `-` is standard input. Raises `CliError`."""
    from gateway.metering.explain.recorded_call import read_call

    try:
        return read_call(_read(name))
    except ValueError as error:
        raise invalid_file(name, error) from None


def invalid_file(name: str, error: ValueError) -> CliError:
    """Return the error for a file that `error` completes the sentence about; `-` is standard input."""
    return CliError(f"{'standard input' if name == '-' else name} {error}")


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if name == "-" else _read_file(Path(name))
        if len(data) > MAX_FILE_BYTES:
            raise CliError(f"{name} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CliError(f"{name} is not UTF-8") from None


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)
