"""The commands of `mcp-gateway user`. They work directly on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.cli.keys.lookup import audit
from gateway.cli.support import options
from gateway.cli.support.confirmation import Yes, confirm
from gateway.cli.support.output import CliError, print_json, print_table
from gateway.cli.support.stores import Stores, record_audit, with_stores
from gateway.cli.users.logins import issue_link, print_link, reset_link, sessions
from gateway.cli.users.output import keys, no_such_user, user_errors, user_to_json
from gateway.cli.users.passwords import check_email, invalid_message, read_password
from gateway.cli.users.policy import policy
from gateway.keys.record import KeyRecord
from gateway.timestamps import format_minute

if TYPE_CHECKING:
    from gateway.accounts.owners import Owner, Owners
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
    email: options.UserEmail,
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
            owner = await _owners(stores).add(email, password, role, {})
    except ValueError as error:
        raise CliError(invalid_message(email, error)) from None
    details = {"role": owner.user.role, "kind": owner.user.kind}
    await record_audit(stores, "user.add", user=owner.user.email, details=details)
    return owner


def _invite(email: str, role: Role | None, as_json: bool, data_dir: Path | None, config: Path | None) -> None:
    async def work(stores: Stores) -> dict[str, str]:
        with user_errors(email):
            owner = await _owners(stores).invite(email, role, {})
        return await issue_link(stores, owner.user, "invite")

    link = with_stores(config, data_dir, work)
    print_json(link) if as_json else print_link(link)


@app.command(name="list")
def list_users(
    as_json: options.Json = False, data_dir: options.DataDir = None, config: options.ConfigFile = None
) -> None:
    """List all users and service accounts."""

    async def work(stores: Stores) -> Sequence[Owner]:
        return await _owners(stores).list()

    owners = with_stores(config, data_dir, work)
    if as_json:
        print_json({"users": [user_to_json(owner) for owner in owners]})
        return
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
    """Change the role of a user; it counts from the user's next request."""

    async def work(stores: Stores) -> Owner:
        with user_errors(email):
            owner = await _owners(stores).update(email, role, {})
        await record_audit(stores, "user.update", user=owner.user.email, details={"role": role})
        return owner

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
    """Set a user's password and end all of the user's logins."""
    new_password = read_password(password_stdin)

    async def work(stores: Stores) -> User:
        try:
            user = await stores.users.set_password(email, new_password)
        except ValueError as error:
            raise CliError(invalid_message(email, error)) from None
        if user is None:
            raise no_such_user(email)
        await record_audit(stores, "user.password", user=user.email)
        return user

    user = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": user.email, "disabled": user.disabled})
        return
    suffix = f", and is still disabled (`mcp-gateway user enable {email}`)" if user.disabled else ""
    typer.echo(f"{email} has a new password{suffix}")


@app.command()
def disable(
    email: options.UserEmail,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Disable a user and suspend the user's keys, until `user enable`."""

    async def work(stores: Stores) -> tuple[User, int]:
        with user_errors(email):
            user, suspended = await _owners(stores).disable(email)
        await record_audit(stores, "user.disable", user=user.email, details={"suspended_keys": str(suspended)})
        return user, suspended

    user, suspended = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": user.email, "disabled": True, "suspended_keys": suspended})
    else:
        typer.echo(f"{email} is disabled; {keys(suspended)} suspended")


@app.command()
def enable(
    email: options.UserEmail,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Enable a disabled user and resume the keys that disabling suspended."""

    async def work(stores: Stores) -> tuple[Owner, int]:
        with user_errors(email):
            owner, resumed = await _owners(stores).enable(email)
        await record_audit(stores, "user.enable", user=owner.user.email, details={"resumed_keys": str(resumed)})
        return owner, resumed

    owner, resumed = with_stores(config, data_dir, work)
    enabled = "is enabled" if owner.user.kind == "service" else "can log in"
    if as_json:
        print_json({**user_to_json(owner), "resumed_keys": resumed})
    else:
        typer.echo(f"{email} {enabled} again; {keys(resumed)} resumed")


@app.command()
def delete(
    email: options.UserEmail,
    transfer_to: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="New owner of the keys that are not revoked.", show_default=False),
    ] = None,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Delete a user without keys, or transfer the keys. Revoked keys do not count and stay, as does past usage.

    On a terminal it asks first.
    """
    confirm(f"This deletes {email} permanently", yes)

    async def work(stores: Stores) -> list[str]:
        transferred: list[str] = []

        async def audit_transfer(before: KeyRecord, after: KeyRecord) -> None:
            transferred.append(after.key_id)
            await audit(stores, "key.transfer", after, {"from": before.owner, "to": after.owner})

        with user_errors(email):
            user = await _owners(stores).delete(email, transfer_to, audit_transfer)
        await record_audit(stores, "user.delete", user=user.email, details={"transferred_keys": str(len(transferred))})
        return transferred

    transferred = with_stores(config, data_dir, work)
    if as_json:
        print_json({"email": email, "deleted": True, "transferred_keys": transferred})
    else:
        moved = f"; {keys(len(transferred))} transferred to {transfer_to}" if transferred else ""
        typer.echo(f"{email} is deleted{moved}")


def _owners(stores: Stores) -> Owners:
    # Not at the top: it loads argon2, which the other commands do without.
    from gateway.accounts.owners import Owners

    return Owners(stores.users, stores.keys)
