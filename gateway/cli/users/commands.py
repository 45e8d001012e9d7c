"""The commands of `mcp-gateway user`. They work directly on Redis."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.users import removal
from gateway.cli.users.logins import issue_link, print_link, reset_link, sessions
from gateway.cli.users.output import no_such_user, owners_of, user_errors, user_to_json
from gateway.cli.users.passwords import check_email, invalid_message, read_password
from gateway.cli.users.policy import policy
from gateway.timestamps import format_minute

if TYPE_CHECKING:
    from gateway.accounts.owners import Owner
    from gateway.accounts.user import User

app = typer.Typer(no_args_is_help=True, help="Users, service accounts, and their policies.")

Role = Literal["admin", "auditor", "member"]
RoleOption = Annotated[
    Role | None,
    typer.Option(
        "--role",
        help="Admins change everything, auditors read everything and change nothing, members have own keys.",
        show_default="member",
    ),
]


@app.command()
def add(
    email: options.NewEmail,
    admin: Annotated[bool, typer.Option("--admin", help="The same as --role admin.")] = False,
    role: RoleOption = None,
    service: Annotated[
        bool, typer.Option("--service", help="Add a service account, which owns keys and cannot log in.")
    ] = False,
    invite: Annotated[
        bool, typer.Option("--invite", help="Print a link with which the user sets the password within 7 days.")
    ] = False,
    password_stdin: options.PasswordFromStdin = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Add a user or a service account. Prompts for the password of a user twice, unless the user is invited.

    \b
    Examples:
      mcp-gateway user add ada@example.com --admin
      mcp-gateway user add ada@example.com --invite
      mcp-gateway user add ci@example.com --service
      printf %s "$PASSWORD" | mcp-gateway user add ada@example.com --password-stdin
    """
    if admin and role not in (None, "admin"):
        raise CliError(f"--admin and --role {role} contradict each other: give one of them")
    _require_one_login(service=service, invite=invite, password_stdin=password_stdin)
    check_email(email)
    given_role: Role = "admin" if admin else role or "member"
    if invite:
        _invite(email, "admin" if admin else role, as_json, data_dir, config)
        return
    password = None if service else read_password(password_stdin)
    owner = with_stores(config, data_dir, lambda stores: _add(stores, email, password, given_role))
    if as_json:
        print_json(user_to_json(owner))
    elif service:
        typer.echo(f"{owner.user.email} is a service account: create its keys with `mcp-gateway key create --owner`")
    else:
        as_role = "" if given_role == "member" else f" as an {given_role}"
        typer.echo(f"{owner.user.email} can log in{as_role}")


def _require_one_login(*, service: bool, invite: bool, password_stdin: bool) -> None:
    if service and password_stdin:
        raise CliError("--service and --password-stdin contradict each other: a service account has no password")
    if invite and (service or password_stdin):
        raise CliError("--invite contradicts --service and --password-stdin: an invited user sets the password")


async def _add(stores: Stores, email: str, password: str | None, role: Role) -> Owner:
    try:
        with user_errors(email):
            return await owners_of(stores).add(email, password, role, {})
    except ValueError as error:
        raise CliError(invalid_message(email, error)) from None


def _invite(email: str, role: Role | None, as_json: bool, data_dir: Path | None, config: Path | None) -> None:
    async def work(stores: Stores) -> dict[str, str]:
        with user_errors(email):
            owner = await owners_of(stores).invite(email, role, {})
        return await issue_link(stores, owner.user, "invite")

    link = with_stores(config, data_dir, work)
    print_json(link) if as_json else print_link(link)


@app.command(name="list")
def list_users(
    text: Annotated[str | None, typer.Option("--q", metavar="TEXT", help="A part of the email.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of users.", show_default="all")] = None,
    cursor: Annotated[
        str | None, typer.Option(help="`next_cursor` of the page before, as --json has it.", show_default=False)
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List users and service accounts, sorted by email.

    \b
    Examples:
      mcp-gateway user list
      mcp-gateway user list --q @example.com --limit 20
    """

    async def work(stores: Stores) -> tuple[Sequence[Owner], str | None]:
        return await owners_of(stores).page(limit or sys.maxsize, cursor or "", text or "")

    owners, next_cursor = with_stores(config, data_dir, work)
    if as_json:
        print_json({"users": [user_to_json(owner) for owner in owners], "next_cursor": next_cursor})
        return
    if next_cursor is not None:
        print_stderr(f"the first {len(owners)} users: raise --limit to see more")
    rows = [
        (
            user.email,
            user.role,
            user.kind,
            "disabled" if user.disabled else "invited" if user.is_invited else "active",
            format_minute(user.created_at),
        )
        for user, _ in owners
    ]
    print_table(("EMAIL", "ROLE", "KIND", "STATUS", "CREATED (UTC)"), rows)


@app.command()
def update(
    email: options.UserEmail,
    role: Annotated[Role, typer.Option("--role", help="The new role.", show_default=False)],
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Change the role of a user; it counts from the user's next request.

    \b
    Example:
      mcp-gateway user update ada@example.com --role auditor
    """

    async def work(stores: Stores) -> Owner:
        with user_errors(email):
            return await owners_of(stores).update(email, role, {})

    owner = with_stores(config, data_dir, work)
    if as_json:
        print_json(user_to_json(owner))
    else:
        typer.echo(f"{owner.user.email} is {'a member' if role == 'member' else f'an {role}'}")


app.command()(policy)
app.command()(reset_link)
app.command()(sessions)


@app.command()
def password(
    email: options.UserEmail,
    password_stdin: options.PasswordFromStdin = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Set a user's password and end all of the user's logins.

    \b
    Examples:
      mcp-gateway user password ada@example.com
      printf %s "$PASSWORD" | mcp-gateway user password ada@example.com --password-stdin
    """
    new_password = read_password(password_stdin)

    async def work(stores: Stores) -> User:
        try:
            user = await stores.users.set_password(email, new_password)
        except ValueError as error:
            raise CliError(invalid_message(email, error)) from None
        if user is None:
            raise no_such_user(email)
        return user

    user = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": user.email, "disabled": user.disabled})
        return
    suffix = f", and is still disabled (`mcp-gateway user enable {email}`)" if user.disabled else ""
    typer.echo(f"{email} has a new password{suffix}")


app.command()(removal.disable)
app.command()(removal.enable)
app.command()(removal.delete)
