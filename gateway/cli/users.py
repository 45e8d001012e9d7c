"""`mcp-gateway user`: who may log in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import options
from gateway.cli.output import CliError, print_json, print_table
from gateway.cli.stores import ADDRESS, Stores, actor, with_stores
from gateway.timestamps import format_minute, format_rfc3339

if TYPE_CHECKING:
    from gateway.accounts.users import User

app = typer.Typer(no_args_is_help=True, help="Users: who may log in to the admin API and the dashboard.")

MAX_PASSWORD_LINE = 8192
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's email.", show_default=False)]


@app.command()
def add(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="May administer users and everybody's keys.")] = False,
    password_stdin: options.PasswordFromStdin = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Add a user. The password is asked for, twice.

    \b
    Examples:
      mcp-gateway user add ada@example.com --admin
      printf %s "$PASSWORD" | mcp-gateway user add ada@example.com --password-stdin
    """
    password = _new_password(password_stdin)

    async def work(stores: Stores) -> User:
        from gateway.accounts.users import UserExists

        try:
            user = await stores.users.add(email, password, admin)
        except UserExists:
            raise CliError(f"there is a user {email} already: `mcp-gateway user list` shows all") from None
        except ValueError as error:
            raise CliError(_invalid(email, error)) from None
        await stores.audit.record(
            actor=actor(),
            action="user.add",
            address=ADDRESS,
            user=user.email,
            details={"is_admin": str(user.is_admin).lower()},
        )
        return user

    user = with_stores(config, data_dir, work)
    if as_json:
        print_json(_shown(user))
    else:
        typer.echo(f"{user.email} may log in{' as an admin' if user.is_admin else ''}")


@app.command(name="list")
def list_users(
    as_json: options.Json = False, data_dir: options.DataDir = None, config: options.ConfigFile = None
) -> None:
    """List all users."""

    async def work(stores: Stores) -> list[User]:
        return list(await stores.users.list())

    users = with_stores(config, data_dir, work)
    if as_json:
        print_json({"users": [_shown(user) for user in users]})
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
    """Set a user's password, which ends the user's logins everywhere."""
    new = _new_password(password_stdin)

    async def work(stores: Stores) -> bool:
        try:
            user = await stores.users.set_password(email, new)
        except ValueError as error:
            raise CliError(_invalid(email, error)) from None
        if user is None:
            raise _no_such_user(email)
        await stores.audit.record(actor=actor(), action="user.password", address=ADDRESS, user=user.email)
        return user.disabled

    is_disabled = with_stores(config, data_dir, work)
    still = f", and is still disabled (`mcp-gateway user enable {email}`)" if is_disabled else ""
    typer.echo(f"{email} has a new password{still}")


@app.command()
def disable(email: Email, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Refuse a user from now on, and revoke the user's keys."""

    async def work(stores: Stores) -> int:
        user = await stores.users.get(email)
        if user is None:
            raise _no_such_user(email)
        able = [other.email for other in await stores.users.list() if other.is_admin and not other.disabled]
        if able == [user.email]:
            raise CliError(f"{user.email} is the last admin: add another one first (`mcp-gateway user add --admin`)")
        await stores.users.disable(user.email)
        revoked = await stores.keys.revoke_all(user.email)
        await stores.audit.record(
            actor=actor(),
            action="user.disable",
            address=ADDRESS,
            user=user.email,
            details={"revoked_keys": str(revoked)},
        )
        return revoked

    revoked = with_stores(config, data_dir, work)
    typer.echo(f"{email} is disabled; {revoked} {'key' if revoked == 1 else 'keys'} revoked")


@app.command()
def enable(email: Email, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Let a disabled user log in again. Keys that were revoked stay revoked."""

    async def work(stores: Stores) -> None:
        user = await stores.users.enable(email)
        if user is None:
            raise _no_such_user(email)
        await stores.audit.record(actor=actor(), action="user.enable", address=ADDRESS, user=user.email)

    with_stores(config, data_dir, work)
    typer.echo(f"{email} can log in again; keys that were revoked stay revoked")


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline(MAX_PASSWORD_LINE).removesuffix("\n").removesuffix("\r")
        if not line:
            raise CliError("standard input holds no password: pipe it in, on one line")
        return line
    if not sys.stdin.isatty():
        raise CliError("there is no terminal to ask for the password: pipe it in with --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _invalid(email: str, error: ValueError) -> str:
    text = str(error)
    return f"{email} {text}" if text.startswith("is ") else f"the password {text}"


def _no_such_user(email: str) -> CliError:
    return CliError(f"there is no user {email}: `mcp-gateway user list` shows all")


def _shown(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "is_admin": user.is_admin,
        "disabled": user.disabled,
        "created_at": format_rfc3339(user.created_at),
    }
