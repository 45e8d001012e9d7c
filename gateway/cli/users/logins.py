"""One-time links with which users set their password, and the logins of a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, counted, print_json, print_table, printable
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.users.output import no_such_user
from gateway.timestamps import format_minute, format_rfc3339, now_ms

if TYPE_CHECKING:
    from gateway.accounts.password_links import Purpose
    from gateway.accounts.sessions import Session
    from gateway.accounts.user import User


async def issue_link(stores: Stores, user: User, purpose: Purpose) -> dict[str, str]:
    """Make a link and return it as the admin API does. Raises `CliError`."""
    from gateway.accounts.password_links import NoLinkFor, PasswordLinks

    links = PasswordLinks(stores.redis, stores.users, now_ms=now_ms)
    try:
        link = await links.issue_recorded(user, purpose, stores.audit)
    except NoLinkFor as error:
        raise CliError(f"{user.email} {error}") from None
    return {
        "email": user.email,
        "link": link.url(_dashboard_url(stores)),
        "expires_at": format_rfc3339(link.expires_at),
    }


def print_link(link: dict[str, str]) -> None:
    """Print a link for a person."""
    typer.echo(f"{link['email']} sets the password with this link, once, until {link['expires_at']}:")
    typer.echo(link["link"])


def reset_link(
    email: options.UserEmail,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Print a link with which a user sets a new password; it is valid for one hour. Using it ends the user's logins.

    \b
    Example:
      mcp-gateway user reset-link ada@example.com
    """

    async def work(stores: Stores) -> dict[str, str]:
        return await issue_link(stores, await _user(stores, email), "reset")

    link = with_stores(config, data_dir, work)
    print_json(link) if as_json else print_link(link)


def sessions(
    email: options.UserEmail,
    end: Annotated[bool, typer.Option("--end", help="End them: the user logs in again.")] = False,
    session_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this login, ses_….", show_default=False)
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List the logins of a user to the admin API and the dashboard, or end them.

    \b
    Examples:
      mcp-gateway user sessions ada@example.com
      mcp-gateway user sessions ada@example.com --end
      mcp-gateway user sessions ada@example.com --end --session-id ses_…
    """

    found = with_stores(config, data_dir, lambda stores: _list_or_end(stores, email, session_id, end))
    if as_json:
        print_json({"sessions": [session.values() for session in found], "ended": end})
    elif end:
        typer.echo(f"{counted(len(found), 'login')} of {email} ended")
    else:
        rows = [
            (
                session.id,
                format_minute(session.started_at),
                format_minute(session.last_used_at),
                session.address,
                printable(session.user_agent),
            )
            for session in found
        ]
        print_table(("ID", "STARTED (UTC)", "LAST USED (UTC)", "ADDRESS", "USER AGENT"), rows)


async def _list_or_end(stores: Stores, email: str, session_id: str | None, end: bool) -> Sequence[Session]:
    from gateway.accounts.sessions import Sessions

    user, logins = await _user(stores, email), Sessions(stores.redis, now_ms=now_ms)
    found = [one for one in await logins.list(user) if session_id in (None, one.id)]
    if session_id is not None and not found:
        raise CliError(f"{email} has no login {session_id}: it may have ended, or list them without --session-id")
    if end and found:
        ids = [session.id for session in found]
        await logins.end(user, ids)
        await stores.audit.record("auth.end_sessions", user.email, after={"sessions": ids})
    return found


async def _user(stores: Stores, email: str) -> User:
    user = await stores.users.get(email)
    if user is None:
        raise no_such_user(email)
    return user


def _dashboard_url(stores: Stores) -> str:
    """Return the URL of the dashboard, with a slash at its end."""
    # Not at the top: it loads what checks certificates.
    from gateway.runtime.startup_banner import admin_url

    public_url = stores.settings.admin_public_url
    if public_url is None and stores.instance is not None:
        public_url = stores.instance.settings.get("admin_public_url") or stores.instance.admin_url
    return (public_url or admin_url(stores.settings)).rstrip("/") + "/"
