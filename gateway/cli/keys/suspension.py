"""The commands of `mcp-gateway key` that suspend the use of a key: suspend, resume."""

from __future__ import annotations

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys.lookup import get_changeable_key, no_such_key
from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.changes import OPERATOR, OwnerDisabled
from gateway.keys.record import KeyRecord, Status
from gateway.timestamps import now_ms


def suspend(
    key_id: key_options.KeyId,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Suspend a key until `key resume`. All workers reject it immediately; its owner cannot resume it.

    Nothing else of the key changes. Suspending it again changes nothing.

    \b
    Example:
      mcp-gateway key suspend key_…
    """

    async def work(stores: Stores) -> Status:
        before = await get_changeable_key(stores, key_id)
        return _status(before, await stores.keys.suspend(key_id, OPERATOR))

    _print_status(key_id, with_stores(config, data_dir, work), as_json)


def resume(
    key_id: key_options.KeyId,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Resume a suspended key. Resuming it again changes nothing.

    \b
    Example:
      mcp-gateway key resume key_…
    """

    async def work(stores: Stores) -> Status:
        before = await get_changeable_key(stores, key_id)
        try:
            record = await stores.keys.resume(key_id, OPERATOR)
        except OwnerDisabled:
            raise CliError(
                f"the owner of {key_id} is disabled: enable the user first (`mcp-gateway user enable {before.owner}`)"
            ) from None
        return _status(before, record)

    _print_status(key_id, with_stores(config, data_dir, work), as_json)


def _status(before: KeyRecord, after: KeyRecord | None) -> Status:
    if after is None:
        raise no_such_key(before.key_id)
    return after.status(now_ms())


def _print_status(key_id: str, status: Status, as_json: bool) -> None:
    if as_json:
        print_json({"key_id": key_id, "status": status})
    else:
        typer.echo(f"{key_id} is {status}")
