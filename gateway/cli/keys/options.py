"""Options of the key commands, and their conversion to fields of a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from gateway.cli.support.output import CliError
from gateway.keys.validation import InvalidField
from gateway.timestamps import DAY_MS, now_ms

_MAX_DAYS = 3650
_MAX_DIGITS = 20
_SHOWN = 100
"""Characters of a value that a message shows."""
CLEARABLE_OPTIONS = (
    "expires",
    "allowed-tools",
    "allowed-tables",
    "allowed-ips",
    "rate-limit-per-minute",
    "records-per-day",
    "calls-per-day",
    "records-per-month",
    "calls-per-month",
    "tool-rate-limits",
    "max-concurrent",
    "labels",
)
"""Values of `--clear`."""
_FLAGS = {
    "key_name": "--name",
    "expires_at": "--expires-days",
    "allowed_tools": "--allowed-tool",
    "allowed_tables": "--allowed-table",
    "allowed_ips": "--allowed-ip",
    "tool_rate_limits": "--tool-rate-limit",
    "labels": "--label",
    "defaults": "--default",
}
"""The flag of a field whose names differ."""

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key, key_….", show_default=False)]
Owner = Annotated[str | None, typer.Option(metavar="EMAIL", help="Owner of the key.", show_default="the only user")]
NewName = Annotated[str | None, typer.Option("--name", help="Name of the key.", show_default=False)]
ExpiresDays = Annotated[
    int | None, typer.Option(min=1, max=_MAX_DAYS, help="Days from now until the key expires.", show_default=False)
]
Tools = Annotated[
    list[str] | None,
    typer.Option("--allowed-tool", metavar="GLOB", help="Tool that may be called, such as 'query_*'. Repeatable."),
]
Tables = Annotated[
    list[str] | None, typer.Option("--allowed-table", metavar="TABLE", help="Table that may be read. Repeatable.")
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-ip",
        metavar="ADDRESS",
        help="Client address or network to accept. Repeatable.",
    ),
]
RateLimit = Annotated[int | None, typer.Option(min=1, help="Limit of requests per minute.", show_default=False)]
RecordsPerDay = Annotated[int | None, typer.Option(min=1, help="Limit of records per day.", show_default=False)]
CallsPerDay = Annotated[int | None, typer.Option(min=1, help="Limit of tool calls per day.", show_default=False)]
RecordsPerMonth = Annotated[int | None, typer.Option(min=1, help="Limit of records per month.", show_default=False)]
CallsPerMonth = Annotated[int | None, typer.Option(min=1, help="Limit of tool calls per month.", show_default=False)]
ToolRateLimits = Annotated[
    list[str] | None,
    typer.Option(
        "--tool-rate-limit",
        metavar="GLOB=N",
        help="Limit of calls per minute, which all tools that match the glob share. Repeatable.",
    ),
]
MaxConcurrent = Annotated[int | None, typer.Option(min=1, help="Limit of calls in flight.", show_default=False)]
ReadOnly = Annotated[
    bool | None,
    typer.Option(
        "--read-only/--no-read-only",
        help="Allow only tools that the upstream declares as read-only.",
        show_default=False,
    ),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Label of the key. Repeatable.")
]
Clear = Annotated[
    list[str] | None,
    typer.Option(metavar="OPTION", help=f"Remove a restriction: {', '.join(CLEARABLE_OPTIONS)}. Repeatable."),
]


def key_fields(
    *, expires_days: int | None, tool_rate_limits: list[str] | None, labels: list[str] | None, **values: Any
) -> dict[str, Any]:
    """Convert options to fields of a key; options that were not used are left out. Raises `CliError`."""
    fields = {field: value for field, value in values.items() if value is not None and value != []}
    if expires_days is not None:
        fields["expires_at"] = now_ms() + expires_days * DAY_MS
    if tool_rate_limits:
        fields["tool_rate_limits"] = parse_tool_rate_limits(tool_rate_limits)
    if labels:
        fields["labels"] = _parse_labels(labels)
    return fields


def changed_fields(clear: list[str], **values: Any) -> dict[str, Any]:
    """Convert options, as for `key_fields`, and the values of `--clear`. Raises `CliError`, also if there are none."""
    given, cleared = key_fields(**values), _cleared_fields(clear)
    require_disjoint(given, cleared)
    if not given and not cleared:
        raise CliError("nothing to change: give at least one option (`mcp-gateway key update --help` lists them)")
    return given | cleared


def require_disjoint(given: Iterable[str], cleared: Iterable[str]) -> None:
    """Raise `CliError` for a field that is both set and cleared."""
    for field in sorted(set(given) & set(cleared)):
        raise CliError(f"{flag(field)}: set it or clear it, not both")


def _parse_labels(values: list[str]) -> dict[str, str]:
    """Parse the values of `--label`. Raises `CliError`."""
    labels = {}
    for label in values:
        name, equals, value = label.partition("=")
        if not equals:
            raise CliError(f"--label {label}: write it as NAME=VALUE, such as team=data")
        labels[name] = value
    return labels


def parse_tool_rate_limits(values: list[str]) -> dict[str, int]:
    """Parse the values of `--tool-rate-limit`. Raises `CliError`."""
    limits = {}
    for limit in values:
        glob, _, calls = limit.rpartition("=")
        number = parse_number(calls)
        if not glob or number is None:
            raise CliError(f"--tool-rate-limit {limit[:_SHOWN]}: write it as GLOB=N, such as run_*=10")
        limits[glob] = number
    return limits


def parse_number(text: str) -> int | None:
    """Return a whole number; `None` if the text is none, or has too many digits for any limit."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def _cleared_fields(names: list[str]) -> dict[str, Any]:
    """Convert the values of `--clear` to fields of a key without a value. Raises `CliError`."""
    fields: dict[str, Any] = {}
    for name in names:
        if name not in CLEARABLE_OPTIONS:
            raise CliError(f"--clear {name}: use one of {', '.join(CLEARABLE_OPTIONS)}")
        field = "expires_at" if name == "expires" else name.replace("-", "_")
        fields[field] = {} if field == "labels" else None
    return fields


def flag_message(error: InvalidField) -> str:
    """Describe an invalid field by its flag."""
    return f"{flag(error.field)} {error.problem}"


def flag(field: str) -> str:
    """Return the flag that sets a field."""
    return _FLAGS.get(field, "--" + field.replace("_", "-"))
