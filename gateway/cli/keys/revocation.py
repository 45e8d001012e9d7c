"""The commands of `mcp-gateway key` that end keys and secrets: revoke, bulk-revoke, end-overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys.lookup import get_changeable_key, get_key, revoked
from gateway.cli.support import options
from gateway.cli.support.completion import complete_email
from gateway.cli.support.confirmation import Yes, confirm, require_confirmation
from gateway.cli.support.output import CliError, counted, print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.record import KeyRecord


def revoke(
    key_id: key_options.KeyId,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Revoke a key permanently. All workers reject it immediately. Revoking it again changes nothing.

    On a terminal it asks first; elsewhere it does not.

    \b
    Examples:
      mcp-gateway key revoke key_…
      mcp-gateway key revoke key_… --yes
    """

    async def work(stores: Stores) -> None:
        record = await get_key(stores, key_id)
        if record.revoked_at is None:
            confirm(f"This revokes {record.key_name} ({key_id}) of {record.owner} permanently", yes)
            await stores.keys.revoke(record.key_id)

    with_stores(config, data_dir, work)
    if as_json:
        print_json({"key_id": key_id, "status": "revoked"})
    else:
        typer.echo(f"{key_id} is revoked")


def bulk_revoke(
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL", help="Revoke all keys of this user.", show_default=False, autocompletion=complete_email
        ),
    ] = None,
    label: key_options.LabelFilterOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the keys that would be revoked.")] = False,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Revoke all keys of a user, or with a label, permanently. Keys that are revoked already are left out.

    Asks first; without a terminal it needs --yes.

    \b
    Examples:
      mcp-gateway key bulk-revoke --owner ada@example.com --dry-run
      mcp-gateway key bulk-revoke --label team=red --yes
    """
    if (owner is None) == (label is None):
        raise CliError("name the keys to revoke with --owner EMAIL or with --label NAME=VALUE")

    async def work(stores: Stores) -> Sequence[str]:
        email, condition = await _selection(stores, owner, label)
        records = [
            record for record in await stores.keys.list(email) if record.revoked_at is None and condition(record)
        ]
        if dry_run or not records:
            return [record.key_id for record in records]
        require_confirmation(f"This revokes {counted(len(records), 'key')} {_described(email, label)} permanently", yes)
        return await stores.keys.revoke_all(records, condition)

    key_ids = with_stores(config, data_dir, work)
    if as_json:
        print_json({"key_ids": list(key_ids), "dry_run": dry_run})
        return
    for key_id in key_ids:
        typer.echo(key_id)
    typer.echo(f"{counted(len(key_ids), 'key')} {'would be' if dry_run else 'are'} revoked", err=True)


def end_overlap(
    key_id: key_options.KeyId,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """End the overlap of a rotation: only the newest secret of the key is left. Again, it changes nothing.

    On a terminal it asks first; elsewhere it does not. `key show` tells when the older secrets were last used.

    \b
    Example:
      mcp-gateway key end-overlap key_…
    """

    async def work(stores: Stores) -> tuple[KeyRecord, int]:
        await get_changeable_key(stores, key_id)
        details = await stores.keys.details(key_id)
        if details is not None and len(details.secrets) > 1:
            confirm(f"This ends all secrets of {key_id} but {details.record.key_prefix}… permanently", yes)
        ended = await stores.keys.end_overlap(key_id)
        if ended is None:
            raise revoked(key_id)
        return ended

    record, count = with_stores(config, data_dir, work)
    if as_json:
        print_json({"key_id": key_id, "key_prefix": record.key_prefix, "ended_secrets": count})
    else:
        ended = counted(count, "older secret")
        typer.echo(f"{key_id} has only the secret {record.key_prefix}… left; {ended} ended")


async def _selection(
    stores: Stores, owner: str | None, label: str | None
) -> tuple[str | None, Callable[[KeyRecord], bool]]:
    """Return the owner whose keys are read, None for all, and the condition of a key that is revoked."""
    if label is not None:
        return None, key_options.parse_label_filter(label).matches
    user = await stores.users.get(owner or "")
    if user is None:
        raise CliError(f"there is no user {owner}: `mcp-gateway user list` shows all")
    return user.email, lambda record: record.owner == user.email


def _described(email: str | None, label: str | None) -> str:
    return f"of {email}" if label is None else f"with the label {label}"
