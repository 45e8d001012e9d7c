"""The commands of `mcp-gateway key`. They work directly on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gateway.cli.keys import creation, reading, revocation, suspension, transfer
from gateway.cli.keys import options as key_options
from gateway.cli.keys import output as key_output
from gateway.cli.keys.lookup import get_changeable_key, get_key, no_such_key, revoked
from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json, print_stderr
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.changes import OPERATOR
from gateway.keys.limit_use import warn_of_use
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.details import VersionMismatch
from gateway.timestamps import now_ms

app = typer.Typer(no_args_is_help=True, help="API keys of MCP clients.")


app.command()(creation.create)
app.command(name="list")(reading.list_keys)
app.command()(reading.show)
app.command()(revocation.revoke)
app.command()(revocation.bulk_revoke)
app.command()(revocation.end_overlap)
app.command()(suspension.suspend)
app.command()(suspension.resume)
app.command()(transfer.transfer)


@app.command()
def rotate(
    key_id: key_options.KeyId,
    overlap_seconds: Annotated[int, typer.Option(min=0, help="Seconds that the old key remains valid.")] = 0,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Replace the secret of a key; its key id stays. The new API key is shown only this once.

    \b
    Example:
      mcp-gateway key rotate key_… --overlap-seconds 86400   # a day to distribute the new key
    """

    async def work(stores: Stores) -> tuple[KeyRecord, ApiKey]:
        record = await get_key(stores, key_id)
        if record.status(now_ms()) == "expired":
            raise CliError(
                f"{key_id} has expired: set a new expiry first (`mcp-gateway key update {key_id} --expires-days N`)"
            )
        with key_options.refusals():
            rotated = await stores.keys.rotate(key_id, overlap_seconds)
        if rotated is None:
            raise revoked(key_id)
        return rotated

    key_output.print_new_key(*with_stores(config, data_dir, work), as_json)


@app.command()
@key_options.with_restrictions
def update(
    key_id: key_options.KeyId,
    name: key_options.NewName = None,
    expires_days: key_options.ExpiresDays = None,
    restrictions: key_options.Used = key_options.NONE_USED,
    labels: key_options.Labels = None,
    label_list: key_options.LabelList = None,
    clear: key_options.Clear = None,
    if_match: Annotated[
        str | None,
        typer.Option(
            metavar="ETAG",
            help="Change nothing if the key has changed since `key show --json` had this `etag`.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Change a key. Options that are not given keep their values.

    Through the admin API and the dashboard, its owner can narrow what is set here but not widen it. --clear lifts that.

    \b
    Examples:
      mcp-gateway key update key_… --calls-per-day 1000 --expires-days 30
      mcp-gateway key update key_… --clear calls-per-day --clear expires
      mcp-gateway key update key_… --name etl --if-match "$ETAG"   # of: key show key_… --json | jq -r .etag
    """
    changes = key_options.changed_fields(
        clear or [],
        restrictions,
        key_name=name,
        expires_days=expires_days,
        labels=key_options.all_labels(labels, label_list),
    )
    record, last_used_at, warnings = with_stores(
        config, data_dir, lambda stores: _update(stores, key_id, changes, if_match)
    )
    for warning in warnings:
        print_stderr(f"mcp-gateway: warning: {warning}")
    if as_json:
        print_json({**key_output.key_to_json(record, last_used_at), "warnings": list(warnings)})
    else:
        typer.echo(f"{key_id} was changed: {', '.join(sorted(changes))}")


async def _update(
    stores: Stores, key_id: str, changes: dict[str, Any], if_match: str | None
) -> tuple[KeyRecord, int | None, Sequence[str]]:
    await get_changeable_key(stores, key_id)
    # With quotes, it is the header of the admin API.
    accepted = None if if_match in (None, "*") else if_match.strip().strip('"')
    try:
        with key_options.refusals():
            updated = await stores.keys.update(
                key_id, OPERATOR, accepts_version=lambda version: accepted in (None, version), **changes
            )
    except VersionMismatch:
        raise CliError(f"{key_id} has changed since it was shown: show it again, and repeat the change") from None
    if updated is None:
        raise no_such_key(key_id)
    last_used = await stores.keys.last_uses.of_keys([key_id])
    warnings = await warn_of_use(stores.redis, updated.record, changes, now_ms())
    return updated.record, last_used.get(key_id), warnings
