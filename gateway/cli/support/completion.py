"""Completion of key ids and emails in shells.

It is bounded in time and in number, and silent about faults: a shell shows what is printed in the middle of the line.
zsh evaluates what it gets, and users choose the names of their keys, so nothing but harmless characters is printed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import typer

from gateway.cli.support.output import CliError
from gateway.cli.support.stores import Stores, with_stores
from gateway.settings import SettingsError

_MAX_SHOWN = 50
_TIMEOUT_SECONDS = 2.0
_MAX_DESCRIPTION = 60
"""Characters. Longer ones would be wrapped, and fish would offer the second line, too."""
_HARMFUL = re.compile(r"[^\w .,@+-]")

Completions = list[tuple[str, str]]
"""Values, and a description of each."""


def complete_key_id(context: typer.Context, incomplete: str) -> Completions:
    """Return the ids of keys that are not revoked and begin like this, newest first, with names and owners."""

    async def find(stores: Stores) -> Completions:
        records = await stores.keys.list(None)
        return [
            (record.key_id, f"{record.key_name}, {record.owner}")
            for record in records
            if record.revoked_at is None and record.key_id.startswith(incomplete)
        ]

    return _complete(context, find)


def complete_email(context: typer.Context, incomplete: str) -> Completions:
    """Return the emails of users that begin like this, sorted."""

    async def find(stores: Stores) -> Completions:
        users = await stores.users.list()
        return [(user.email, user.role) for user in users if user.email.startswith(incomplete)]

    return _complete(context, find)


def _complete(context: typer.Context, find: Callable[[Stores], Awaitable[Completions]]) -> Completions:
    async def in_time(stores: Stores) -> Completions:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await find(stores)

    try:
        found = with_stores(context.params.get("config"), context.params.get("data_dir"), in_time)
    except (CliError, SettingsError, TimeoutError):
        return []
    harmless = [
        (value, _HARMFUL.sub("?", text)[:_MAX_DESCRIPTION]) for value, text in found if not _HARMFUL.search(value)
    ]
    return harmless[:_MAX_SHOWN]
