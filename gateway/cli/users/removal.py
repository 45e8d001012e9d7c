"""The commands of `mcp-gateway user` that end the use of an account: disable, enable, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.completion import complete_email
from gateway.cli.support.confirmation import Yes, require_confirmation
from gateway.cli.support.output import counted, print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.users.output import owners_of, user_errors, user_to_json

if TYPE_CHECKING:
    from gateway.accounts.owners import Owner
    from gateway.accounts.user import User


def disable(
    email: options.UserEmail,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Disable a user and suspend the user's keys, until `user enable`.

    \b
    Example:
      mcp-gateway user disable ada@example.com
    """

    async def work(stores: Stores) -> tuple[User, int]:
        with user_errors(email):
            return await owners_of(stores).disable(email)

    user, suspended = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": user.email, "disabled": True, "suspended_keys": suspended})
    else:
        typer.echo(f"{email} is disabled; {counted(suspended, 'key')} suspended")


def enable(
    email: options.UserEmail,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Enable a disabled user and resume the keys that disabling suspended.

    \b
    Example:
      mcp-gateway user enable ada@example.com
    """

    async def work(stores: Stores) -> tuple[Owner, int]:
        with user_errors(email):
            return await owners_of(stores).enable(email)

    owner, resumed = with_stores(config, data_dir, work)
    enabled = "is enabled" if owner.user.kind == "service" else "can log in"
    if as_json:
        print_json({**user_to_json(owner), "resumed_keys": resumed})
    else:
        typer.echo(f"{email} {enabled} again; {counted(resumed, 'key')} resumed")


def delete(
    email: options.UserEmail,
    transfer_to: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL",
            help="New owner of the keys that are not revoked.",
            show_default=False,
            autocompletion=complete_email,
        ),
    ] = None,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Delete a user without keys, or transfer the keys. Revoked keys do not count and stay, as does past usage.

    Asks first; without a terminal it needs --yes.

    \b
    Examples:
      mcp-gateway user delete ada@example.com
      mcp-gateway user delete ada@example.com --transfer-to bob@example.com --yes
    """

    async def work(stores: Stores) -> tuple[User, Sequence[str]]:
        with user_errors(email):
            require_confirmation(f"This deletes {(await owners_of(stores).get(email)).user.email} permanently", yes)
            return await owners_of(stores).delete(email, transfer_to)

    user, transferred = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": user.email, "deleted": True, "transferred_keys": list(transferred)})
    else:
        moved = f"; {counted(len(transferred), 'key')} transferred to {transfer_to}" if transferred else ""
        typer.echo(f"{user.email} is deleted{moved}")
