"""`mcp-gateway user`: accounts that can log in to the admin API and the dashboard."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_table
from gateway.cli.support.stores import Stores, record_audit, with_stores
from gateway.timestamps import format_minute, format_rfc3339

if TYPE_CHECKING:
    from gateway.accounts.user import User

app = typer.Typer(no_args_is_help=True, help="Users of the admin API and the dashboard.")

_MAX_PASSWORD_LINE = 8192
"""Characters."""
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email.", show_default=False)]


@app.command()
def add(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="Let the user administer all users and keys.")] = False,
    password_stdin: options.PasswordFromStdin = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Add a user. Prompts for the password twice.

    \b
    Examples:
      mcp-gateway user add ada@example.com --admin
      printf %s "$PASSWORD" | mcp-gateway user add ada@example.com --password-stdin
    """
    password = _read_password(password_stdin)

    async def work(stores: Stores) -> User:
        from gateway.accounts.users import UserExists

        try:
            user = await stores.users.add(email, password, "admin" if admin else "member")
        except UserExists:
            raise CliError(f"there is a user {email} already: list them with `mcp-gateway user list`") from None
        except ValueError as error:
            raise CliError(_invalid_message(email, error)) from None
        await record_audit(
            stores,
            "user.add",
            user=user.email,
            details={"is_admin": str(user.is_admin).lower()},
        )
        return user

    user = with_stores(config, data_dir, work)
    if as_json:
        print_json(_to_json(user))
    else:
        typer.echo(f"{user.email} can log in{' as an admin' if user.is_admin else ''}")


@app.command(name="list")
def list_users(
    as_json: options.Json = False, data_dir: options.DataDir = None, config: options.ConfigFile = None
) -> None:
    """List all users."""

    async def work(stores: Stores) -> list[User]:
        return list(await stores.users.list())

    users = with_stores(config, data_dir, work)
    if as_json:
        print_json({"users": [_to_json(user) for user in users]})
        return
    rows = [
        (
            user.email,
            "admin" if user.is_admin else "user",
            "disabled" if user.disabled else "active",
            format_minute(user.created_at),
        )
        for user in users
    ]
    print_table(("EMAIL", "ROLE", "STATUS", "CREATED (UTC)"), rows)


@app.command()
def password(
    email: Email,
    password_stdin: options.PasswordFromStdin = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Set a user's password and end all of the user's logins."""
    new_password = _read_password(password_stdin)

    async def work(stores: Stores) -> bool:
        try:
            user = await stores.users.set_password(email, new_password)
        except ValueError as error:
            raise CliError(_invalid_message(email, error)) from None
        if user is None:
            raise _no_such_user(email)
        await record_audit(stores, "user.password", user=user.email)
        return user.disabled

    is_disabled = with_stores(config, data_dir, work)
    suffix = f", and is still disabled (`mcp-gateway user enable {email}`)" if is_disabled else ""
    typer.echo(f"{email} has a new password{suffix}")


@app.command()
def disable(email: Email, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Disable a user and suspend the user's keys, until `user enable`."""

    async def work(stores: Stores) -> int:
        from gateway.accounts.users import LastAdmin

        try:
            user = await stores.users.disable(email)
        except LastAdmin:
            raise CliError(
                f"{email} is the last admin: add another one first (`mcp-gateway user add --admin`)"
            ) from None
        if user is None:
            raise _no_such_user(email)
        suspended = await stores.keys.disable_owner(user.email)
        await record_audit(stores, "user.disable", user=user.email, details={"suspended_keys": str(suspended)})
        return suspended

    suspended = with_stores(config, data_dir, work)
    typer.echo(f"{email} is disabled; {_keys(suspended)} suspended")


@app.command()
def enable(email: Email, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Enable a disabled user and resume the keys that disabling suspended."""

    async def work(stores: Stores) -> int:
        user = await stores.users.enable(email)
        if user is None:
            raise _no_such_user(email)
        resumed = await stores.keys.enable_owner(user.email)
        await record_audit(stores, "user.enable", user=user.email, details={"resumed_keys": str(resumed)})
        return resumed

    resumed = with_stores(config, data_dir, work)
    typer.echo(f"{email} can log in again; {_keys(resumed)} resumed")


def _keys(count: int) -> str:
    return f"{count} {'key' if count == 1 else 'keys'}"


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline(_MAX_PASSWORD_LINE).removesuffix("\n").removesuffix("\r")
        if not line:
            raise CliError("standard input has no password: pipe it in, on one line")
        return line
    if not sys.stdin.isatty():
        raise CliError("there is no terminal to prompt for the password: pipe it in with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _invalid_message(email: str, error: ValueError) -> str:
    text = str(error)
    return f"{email} {text}" if text.startswith("is ") else f"the password {text}"


def _no_such_user(email: str) -> CliError:
    return CliError(f"there is no user {email}: list them with `mcp-gateway user list`")


def _to_json(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "is_admin": user.is_admin,
        "disabled": user.disabled,
        "created_at": format_rfc3339(user.created_at),
    }
