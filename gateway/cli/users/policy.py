"""`mcp-gateway user policy`: show and change the policy of a user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys.output import format_value
from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_pairs, print_stderr
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.users.output import owners_of, policy_to_json, user_errors
from gateway.keys.limit_use import warn_of_pool_use
from gateway.keys.record import OwnerPolicy, Restrictions
from gateway.keys.validation import InvalidField, validate_policy
from gateway.timestamps import now_ms

_LISTS = ("allowed-tools", "allowed-tables", "allowed-ips")
_LIMITS = tuple(name.replace("_", "-") for name in Restrictions.__struct_fields__)
DEFAULTS = (*_LIMITS, "expires-days")
"""Names in `--default`."""
CLEARABLE = (*_LIMITS, "max-keys", "max-key-days", "defaults")
"""Values of `--clear`."""

Defaults = Annotated[
    list[str] | None,
    typer.Option(
        "--default",
        metavar="NAME=VALUE",
        help="Value of new keys for an option that is not given. Lists are separated by commas, and an empty value "
        f"removes the default. Names: {', '.join(DEFAULTS)}. Repeatable.",
    ),
]
Clear = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help=f"Remove a part of the policy: {', '.join(CLEARABLE)}. Repeatable."),
]


@key_options.with_restrictions
def policy(
    email: options.UserEmail,
    restrictions: key_options.Used = key_options.NONE_USED,
    max_keys: Annotated[
        int | None, typer.Option(min=1, help="Limit of keys that are neither revoked nor expired.", show_default=False)
    ] = None,
    max_key_days: Annotated[
        int | None, typer.Option(min=1, help="Days until a key expires at the latest.", show_default=False)
    ] = None,
    defaults: Defaults = None,
    clear: Clear = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show the policy of a user or, with options, change it. Options that are not given keep their values.

    A key may do what both it and the policy of its owner allow. All keys of an owner share the limits of the policy.

    \b
    Examples:
      mcp-gateway user policy ada@example.com
      mcp-gateway user policy ada@example.com --calls-per-day 1000 --max-keys 3 --default expires-days=30
      mcp-gateway user policy ada@example.com --clear calls-per-day --clear defaults
    """
    bounds = {"max_keys": max_keys, "max_key_days": max_key_days}
    given = {**restrictions, **{name: value for name, value in bounds.items() if value is not None}}
    fields = _fields(clear or [], defaults or [], given)
    found, warnings = with_stores(config, data_dir, lambda stores: _show_or_update(stores, email, fields))
    for warning in warnings:
        print_stderr(f"mcp-gateway: warning: {warning}")
    shown = policy_to_json(found)
    if as_json:
        print_json(shown)
    elif shown:
        print_pairs([(name, format_value(value)) for name, value in shown.items()])
    else:
        typer.echo(f"{email} has no policy: no scopes and no limits")


async def _show_or_update(stores: Stores, email: str, fields: dict[str, Any]) -> tuple[OwnerPolicy, list[str]]:
    owners = owners_of(stores)
    with user_errors(email):
        if not fields:
            return (await owners.get(email)).policy, []
        user, changed = await owners.update(email, None, fields)
    return changed, await warn_of_pool_use(stores.redis, user.email, changed, fields, now_ms())


def _fields(clear: list[str], defaults: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert options to validated fields of a policy. Raises `CliError`."""
    fields = dict(given)
    if defaults:
        fields["defaults"] = dict(map(_default, defaults))
    for name in clear:
        if name not in CLEARABLE:
            raise CliError(f"--clear {name}: use one of {', '.join(CLEARABLE)}")
    cleared = {name.replace("-", "_"): None for name in clear}
    key_options.require_disjoint(fields, cleared)
    fields |= cleared
    try:
        return validate_policy(fields)
    except InvalidField as error:
        prefix, _, name = error.field.rpartition(".")
        flag = f"--default {name.replace('_', '-')}" if prefix else key_options.flag(error.field)
        raise CliError(f"{flag} {error.problem}") from None


def _default(text: str) -> tuple[str, Any]:
    """Parse a value of `--default`. Raises `CliError`."""
    name, equals, value = text.partition("=")
    if not equals or name not in DEFAULTS:
        raise CliError(f"--default {text}: write it as NAME=VALUE, with one of the names {', '.join(DEFAULTS)}")
    return name.replace("-", "_"), _PARSERS.get(name, _number)(value) if value else None


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")]


def _number(value: str) -> int | str:
    number = key_options.parse_number(value)
    return value if number is None else number


def _flag(value: str) -> bool | str:
    return {"true": True, "false": False}.get(value, value)


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_LISTS, _items),
    "tool-rate-limits": lambda value: key_options.parse_tool_rate_limits(_items(value)),
    "read-only": _flag,
}
