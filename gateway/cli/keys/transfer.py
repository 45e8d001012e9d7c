"""`mcp-gateway key transfer`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys.lookup import get_changeable_key, get_enabled_owner, revoked
from gateway.cli.support import options
from gateway.cli.support.completion import complete_email
from gateway.cli.support.output import print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.record import KeyRecord
from gateway.timestamps import now_ms


def transfer(
    key_id: key_options.KeyId,
    to: Annotated[
        str,
        typer.Option(metavar="EMAIL", help="The new owner.", show_default=False, autocompletion=complete_email),
    ],
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Give a key to another owner. Its sessions end; its ceiling and its own counts go with it.

    Past usage stays with the former owner. The limits of the new owner's policy apply immediately.

    \b
    Example:
      mcp-gateway key transfer key_… --to bob@example.com
    """

    async def work(stores: Stores) -> KeyRecord:
        await get_changeable_key(stores, key_id)
        owner = await get_enabled_owner(stores, to)
        with key_options.refusals():
            record = await stores.keys.transfer(key_id, owner)
        if record is None:
            raise revoked(key_id)
        return record

    record = with_stores(config, data_dir, work)
    if as_json:
        print_json({"key_id": key_id, "owner": record.owner, "status": record.status(now_ms())})
    else:
        typer.echo(f"{key_id} belongs to {record.owner}")
