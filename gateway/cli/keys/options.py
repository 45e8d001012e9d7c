"""Options of the key commands, and their conversion to fields of a key."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any

import typer

from gateway.cli.support.completion import complete_email, complete_key_id
from gateway.cli.support.output import CliError
from gateway.keys.changes import BeyondPolicy
from gateway.keys.listing import LabelFilter
from gateway.keys.validation import InvalidField
from gateway.timestamps import DAY_MS, now_ms

_MAX_DAYS = 3650
_MAX_DIGITS = 20
_SHOWN = 100
"""Characters of a value that a message shows."""
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

KeyId = Annotated[
    str,
    typer.Argument(metavar="KEY_ID", help="Id of the key, key_….", show_default=False, autocompletion=complete_key_id),
]
Owner = Annotated[
    str | None,
    typer.Option(
        metavar="EMAIL", help="Owner of the key.", show_default="the only user", autocompletion=complete_email
    ),
]
NewName = Annotated[str | None, typer.Option("--name", help="Name of the key.", show_default=False)]
ExpiresDays = Annotated[
    int | None, typer.Option(min=1, max=_MAX_DAYS, help="Days from now until the key expires.", show_default=False)
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Label of the key. Repeatable.")
]
LabelList = Annotated[
    str | None,
    typer.Option("--labels", metavar="NAME=VALUE,…", help="Several labels, as with --label.", show_default=False),
]
LabelFilterOption = Annotated[
    str | None,
    typer.Option(
        "--label", metavar="NAME[=VALUE]", help="Keys with this label; without a value, with any.", show_default=False
    ),
]


def _limit(text: str) -> Any:
    return Annotated[int | None, typer.Option(min=1, help=text, show_default=False)]


Used = Mapping[str, Any]
"""The options of restrictions that were used, as fields."""
NONE_USED: Used = MappingProxyType({})
RESTRICTIONS: Mapping[str, Any] = {
    "allowed_tools": Annotated[
        list[str] | None,
        typer.Option("--allowed-tool", metavar="GLOB", help="Tool that may be called, such as 'query_*'. Repeatable."),
    ],
    "allowed_tables": Annotated[
        list[str] | None, typer.Option("--allowed-table", metavar="TABLE", help="Table that may be read. Repeatable.")
    ],
    "allowed_ips": Annotated[
        list[str] | None,
        typer.Option("--allowed-ip", metavar="ADDRESS", help="Client address or network to accept. Repeatable."),
    ],
    "rate_limit_per_minute": _limit("Limit of requests per minute."),
    "records_per_day": _limit("Limit of records per day."),
    "calls_per_day": _limit("Limit of tool calls per day."),
    "records_per_month": _limit("Limit of records per month."),
    "calls_per_month": _limit("Limit of tool calls per month."),
    "tool_rate_limits": Annotated[
        list[str] | None,
        typer.Option(
            "--tool-rate-limit",
            metavar="GLOB=N",
            help="Limit of calls per minute, which all tools that match the glob share. Repeatable.",
        ),
    ],
    "max_concurrent": _limit("Limit of calls in flight."),
    "read_only": Annotated[
        bool | None,
        typer.Option(
            "--read-only/--no-read-only",
            help="Allow only tools that the upstream declares as read-only.",
            show_default=False,
        ),
    ],
}
"""The option of each field of `Restrictions`."""
CLEARABLE_OPTIONS = ("expires", *(name.replace("_", "-") for name in RESTRICTIONS if name != "read_only"), "labels")
"""Values of `--clear`."""
Clear = Annotated[
    list[str] | None,
    typer.Option(metavar="OPTION", help=f"Remove a restriction: {', '.join(CLEARABLE_OPTIONS)}. Repeatable."),
]


def with_restrictions(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all restrictions, in place of its parameter `restrictions`.

    The parameter gets `Used`.
    """
    parameters: list[inspect.Parameter] = []
    signature = inspect.signature(command, eval_str=True)
    for parameter in signature.parameters.values():
        if parameter.name == "restrictions":
            kind = parameter.kind
            parameters += (
                inspect.Parameter(name, kind, default=None, annotation=option) for name, option in RESTRICTIONS.items()
            )
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def with_fields(**arguments: Any) -> None:
        used = {name: value for name in RESTRICTIONS if (value := arguments.pop(name)) is not None and value != []}
        if "tool_rate_limits" in used:
            used["tool_rate_limits"] = parse_tool_rate_limits(used["tool_rate_limits"])
        command(restrictions=used, **arguments)

    with_fields.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_fields


def key_fields(
    restrictions: Used, *, expires_days: int | None, labels: list[str] | None, key_name: str | None = None
) -> dict[str, Any]:
    """Convert options to fields of a key; options that were not used are left out. Raises `CliError`."""
    fields = dict(restrictions)
    if key_name is not None:
        fields["key_name"] = key_name
    if expires_days is not None:
        fields["expires_at"] = now_ms() + expires_days * DAY_MS
    if labels:
        fields["labels"] = _parse_labels(labels)
    return fields


def changed_fields(clear: list[str], restrictions: Used, **values: Any) -> dict[str, Any]:
    """Convert options, as for `key_fields`, and the values of `--clear`. Raises `CliError`, also if there are none."""
    given, cleared = key_fields(restrictions, **values), _cleared_fields(clear)
    require_disjoint(given, cleared)
    if not given and not cleared:
        raise CliError("nothing to change: give at least one option (`mcp-gateway key update --help` lists them)")
    return given | cleared


def require_disjoint(given: Iterable[str], cleared: Iterable[str]) -> None:
    """Raise `CliError` for a field that is both set and cleared."""
    for field in sorted(set(given) & set(cleared)):
        raise CliError(f"{flag(field)}: set it or clear it, not both")


def all_labels(labels: list[str] | None, label_list: str | None) -> list[str]:
    """Return the values of `--label`, and those in the list of `--labels`."""
    return [*(labels or ()), *(label.strip() for label in (label_list or "").split(",") if label.strip())]


def parse_label_filter(text: str) -> LabelFilter:
    """Parse the value of `--label` that selects keys. Raises `CliError`."""
    try:
        return LabelFilter.parse(text)
    except ValueError as error:
        raise CliError(f"--label {text[:_SHOWN]}: {error}, such as team=data") from None


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


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an invalid field, which is named by its flag, and a change beyond a policy into `CliError`."""
    try:
        yield
    except InvalidField as error:
        raise CliError(f"{flag(error.field)} {error.problem}") from None
    except BeyondPolicy as error:
        raise CliError(str(error)) from None


def flag(field: str) -> str:
    """Return the flag that sets a field."""
    return _FLAGS.get(field, "--" + field.replace("_", "-"))
