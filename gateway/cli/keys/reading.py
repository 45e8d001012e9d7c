"""The commands of `mcp-gateway key` that read: list, show."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys import output as key_output
from gateway.cli.keys.lookup import no_such_key
from gateway.cli.support import options
from gateway.cli.support.output import print_json, print_table
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.limit_use import read_uses
from gateway.keys.limits import limits_of
from gateway.keys.record import KeyRecord
from gateway.timestamps import format_minute, now_ms


def list_keys(
    owner: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="List only the keys of this user.", show_default="all users")
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List keys, newest first."""

    async def work(stores: Stores) -> tuple[list[KeyRecord], dict[str, int]]:
        records = await stores.keys.list(owner and owner.strip().casefold())
        return records, await stores.keys.last_uses.of_keys([record.key_id for record in records])

    records, last_used = with_stores(config, data_dir, work)
    if as_json:
        print_json({"keys": [key_output.key_to_json(record, last_used.get(record.key_id)) for record in records]})
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
    """Show one key: scopes, limits with what is used and left of them, and its secrets without their text."""
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
    }
