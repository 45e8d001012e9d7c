"""The options of key commands, and how they become fields of a key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.output import CliError
from gateway.keys.validation import InvalidField
from gateway.timestamps import now_ms

_DAY_MS = 86_400_000
_MAX_DAYS = 3650
_LIMITS = ("rate_limit_per_minute", "records_per_day", "calls_per_day")
CLEARABLE = (
    "expires",
    "allowed-tools",
    "allowed-tables",
    "allowed-ips",
    *(n.replace("_", "-") for n in _LIMITS),
    "labels",
)

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's public name, key_….", show_default=False)]
ExpiresDays = Annotated[
    int | None, typer.Option(min=1, max=_MAX_DAYS, help="Days until the key ends.", show_default="never")
]
Tools = Annotated[
    list[str] | None,
    typer.Option("--allowed-tool", metavar="GLOB", help="A tool it may call, such as 'query_*'. Repeatable."),
]
Tables = Annotated[
    list[str] | None, typer.Option("--allowed-table", metavar="TABLE", help="A table it may read. Repeatable.")
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--allowed-ip", metavar="ADDRESS", help="An address or network it may come from. Repeatable."),
]
RateLimit = Annotated[int | None, typer.Option(min=1, help="Requests a minute.", show_default="no limit")]
RecordsPerDay = Annotated[int | None, typer.Option(min=1, help="Records a day.", show_default="no limit")]
CallsPerDay = Annotated[int | None, typer.Option(min=1, help="Tool calls a day.", show_default="no limit")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label of your own. Repeatable.")
]


def expiry(days: int | None) -> int | None:
    return None if days is None else now_ms() + days * _DAY_MS


def labels(given: list[str] | None) -> dict[str, str]:
    labels = {}
    for label in given or []:
        name, equals, value = label.partition("=")
        if not equals:
            raise CliError(f"--label {label}: it looks like team=data")
        labels[name] = value
    return labels


def cleared(names: list[str]) -> dict[str, Any]:
    cleared: dict[str, Any] = {}
    for name in names:
        if name not in CLEARABLE:
            raise CliError(f"--clear {name}: it takes one of {', '.join(CLEARABLE)}")
        field = "expires_at" if name == "expires" else name.replace("-", "_")
        cleared[field] = {} if field == "labels" else None
    return cleared


def spelled(error: InvalidField) -> str:
    flag = {
        "key_name": "--name",
        "expires_at": "--expires-days",
        "allowed_tools": "--allowed-tool",
        "allowed_tables": "--allowed-table",
        "allowed_ips": "--allowed-ip",
        "labels": "--label",
    }.get(error.field, "--" + error.field.replace("_", "-"))
    return f"{flag} {error.problem}"
