"""The commands of `mcp-gateway key` that read: list, show."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys import output as key_output
from gateway.cli.keys.lookup import no_such_key
from gateway.cli.support import options
from gateway.cli.support.completion import complete_email
from gateway.cli.support.output import print_json, print_stderr, print_table
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.limit_use import read_uses
from gateway.keys.limits import limits_of
from gateway.keys.listing import MAX_LISTED, KeyPage, KeyQuery, read_page
from gateway.timestamps import format_minute, now_ms


class Status(StrEnum):
    """States of a key."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Sort(StrEnum):
    """Orders of a list."""

    CREATED = "created"
    NAME = "name"
    EXPIRES = "expires"
    LAST_USED = "last_used"


def list_keys(
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL",
            help="List only the keys of this user.",
            show_default="all users",
            autocompletion=complete_email,
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--q", metavar="TEXT", help="A part of the name, id, prefix or owner.")
    ] = None,
    label: key_options.LabelFilterOption = None,
    status: Annotated[Status | None, typer.Option(help="Only keys in this state.", show_default=False)] = None,
    sort: Annotated[Sort, typer.Option(help="Newest and latest used first; names and ends in order.")] = Sort.CREATED,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of keys.")] = MAX_LISTED,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List keys, by default newest first.

    \b
    Examples:
      mcp-gateway key list --owner ada@example.com --status active
      mcp-gateway key list --label team=data --sort last_used
    """
    query = KeyQuery(
        owner=options.stored_email(owner),
        text=text or "",
        label=None if label is None else key_options.parse_label_filter(label),
        status=None if status is None else status.value,
        sort=sort.value,
        descending=sort in (Sort.CREATED, Sort.LAST_USED),
        limit=limit,
    )
    page = with_stores(config, data_dir, lambda stores: read_page(stores.keys, query, now_ms()))
    _print_page(page, as_json)


def _print_page(page: KeyPage, as_json: bool) -> None:
    if page.total > len(page.records):
        print_stderr(f"{len(page.records)} of {page.total} keys: raise --limit to see more")
    records, last_used = page.records, page.last_used
    if as_json:
        keys = [key_output.key_to_json(record, last_used.get(record.key_id)) for record in records]
        print_json({"keys": keys, "total": page.total})
        return
    now = now_ms()
    rows = [
        (
            record.key_id,
            record.key_name,
            record.key_prefix + "…",
            record.owner,
            record.status(now),
            format_minute(record.expires_at),
            format_minute(last_used.get(record.key_id)),
        )
        for record in records
    ]
    print_table(("KEY ID", "NAME", "KEY", "OWNER", "STATUS", "EXPIRES (UTC)", "LAST USED (UTC)"), rows)


def show(
    key_id: key_options.KeyId,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show one key: scopes, limits with what is used and left of them, and its secrets without their text.

    `etag` is for `key update --if-match`.

    \b
    Examples:
      mcp-gateway key show key_…
      mcp-gateway key show key_… --json | jq .limits
    """
    fields = with_stores(config, data_dir, lambda stores: _details(stores, key_id))
    if as_json:
        print_json(fields)
    else:
        key_output.print_details(fields)


async def _details(stores: Stores, key_id: str) -> dict[str, Any]:
    details = await stores.keys.details(key_id)
    if details is None:
        raise no_such_key(key_id)
    record = details.record
    last_used = await stores.keys.last_uses.of_keys([key_id])
    limits = await read_uses(stores.redis, limits_of(record), now_ms())
    return {
        **key_output.key_to_json(record, last_used.get(key_id)),
        "secrets": [secret.values() for secret in details.secrets],
        "limits": [status.values() for status in limits],
        "etag": details.version,
    }
