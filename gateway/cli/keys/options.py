"""Options of the key commands, and their conversion to fields of a key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.support.output import CliError
from gateway.keys.validation import InvalidField
from gateway.timestamps import DAY_MS, now_ms

_MAX_DAYS = 3650
CLEARABLE_OPTIONS = (
    "expires",
    "allowed-tools",
    "allowed-tables",
    "allowed-ips",
    "rate-limit-per-minute",
    "records-per-day",
    "calls-per-day",
    "labels",
)
"""Values of `--clear`."""
_FLAGS = {
    "key_name": "--name",
    "expires_at": "--expires-days",
    "allowed_tools": "--allowed-tool",
    "allowed_tables": "--allowed-table",
    "allowed_ips": "--allowed-ip",
    "labels": "--label",
}
"""The flag of a field whose names differ."""

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key, key_….", show_default=False)]
ExpiresDays = Annotated[
    int | None, typer.Option(min=1, max=_MAX_DAYS, help="Days from now until the key expires.", show_default=False)
]
Tools = Annotated[
    list[str] | None,
    typer.Option("--allowed-tool", metavar="GLOB", help="Tool that the key may call, such as 'query_*'. Repeatable."),
]
Tables = Annotated[
    list[str] | None, typer.Option("--allowed-table", metavar="TABLE", help="Table that the key may read. Repeatable.")
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-ip",
        metavar="ADDRESS",
        help="Client address or network that the key may be used from. Repeatable.",
    ),
]
RateLimit = Annotated[int | None, typer.Option(min=1, help="Limit of requests per minute.", show_default=False)]
RecordsPerDay = Annotated[int | None, typer.Option(min=1, help="Limit of records per day.", show_default=False)]
CallsPerDay = Annotated[int | None, typer.Option(min=1, help="Limit of tool calls per day.", show_default=False)]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Label of the key. Repeatable.")
]


def expires_at(days: int | None) -> int | None:
    """Convert `--expires-days` to milliseconds since the epoch."""
    return None if days is None else now_ms() + days * DAY_MS


def parse_labels(values: list[str] | None) -> dict[str, str]:
    """Parse the values of `--label`. Raises `CliError`."""
    labels = {}
    for label in values or []:
        name, equals, value = label.partition("=")
        if not equals:
            raise CliError(f"--label {label}: write it as NAME=VALUE, such as team=data")
        labels[name] = value
    return labels


def cleared_fields(names: list[str]) -> dict[str, Any]:
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
    flag = _FLAGS.get(error.field, "--" + error.field.replace("_", "-"))
    return f"{flag} {error.problem}"
