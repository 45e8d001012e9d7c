"""`mcp-gateway metering report`."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

import gateway
from gateway.cli.metering.call_file import CallFile, invalid_file, read_call_file
from gateway.cli.support import options
from gateway.cli.support.export import Output
from gateway.cli.support.output import CliError, counted, print_json, print_stderr

if TYPE_CHECKING:
    from gateway.metering.explain.report import Metered, Report


def report(
    call: CallFile,
    output: Output = None,
    expected_records: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="The number of records that would be right.", show_default=False),
    ] = None,
    expected_tables: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="The tables that would be right; empty for none.", show_default=False),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Anonymize a call whose count is wrong or unknown, for a bug report.

    FILE is the call as for explain. Each value is replaced by another of the same form: words by words of the same
    length and case, numbers by numbers with as many digits, dates by dates. Equal values stay equal, in arguments and
    result. Kept are the structure, common member names and keywords, names of fields, the name of the tool, and numbers
    that state how many records there are. Replacements are random in each run.

    The command meters both calls, and says whether the anonymized one has the same number of records, the same method
    and as many tables. Read the file before you send it: names of fields are kept.

    \b
    Examples:
      mcp-gateway metering report call.json --output report.json
      mcp-gateway metering report call.json --expected-records 12 --expected-tables orders > report.json
    """
    from gateway.metering.explain.report import report as anonymized_report

    recorded = read_call_file(call)
    tables = None if expected_tables is None else [one.strip() for one in expected_tables.split(",") if one.strip()]
    try:
        made = anonymized_report(recorded, secrets.token_bytes(32), gateway.__version__, expected_records, tables)
    except ValueError as error:
        raise invalid_file(call, error) from None
    _write(made, output, as_json)
    if not made.reproduces:
        raise CliError(
            f"the anonymized call has {_describe(made.anonymized)}, the original {_describe(made.original)}: it does "
            "not reproduce the count. Run the command again, or change the values by hand and compare both calls with "
            "mcp-gateway metering explain"
        )
    print_stderr(f"The anonymized call reproduces the count: {_describe(made.original)}. Read it before you send it.")


def _describe(metered: Metered) -> str:
    records = "an unknown count" if metered.records is None else counted(metered.records, "record")
    return f"{records} ({metered.count_method}), {counted(metered.tables, 'table')}"


def _write(made: Report, output: Path | None, as_json: bool) -> None:
    """Write the call to the file, or print it; with `as_json` print the comparison with it."""
    comparison: dict[str, Any] = {
        "reproduces": made.reproduces,
        "original": msgspec.to_builtins(made.original),
        "anonymized": msgspec.to_builtins(made.anonymized),
    }
    if output is not None:
        try:
            output.write_text(json.dumps(made.call, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise CliError(f"{output} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(comparison if output is not None else {**comparison, "call": made.call})
    elif output is None:
        print_json(made.call)
