"""`mcp-gateway key create`, also repeated with the same idempotency key."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.keys import options as key_options
from gateway.cli.keys import output as key_output
from gateway.cli.keys.lookup import get_enabled_owner
from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.keys.changes import OPERATOR
from gateway.keys.listing import public_fields
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.creations import MAX_IDEMPOTENCY_KEY, IdempotencyKey, is_idempotency_key
from gateway.keys.storage.stored_key import MarkerExists

_IDEMPOTENCY_USER = "command line"
"""No email, so that the idempotency keys of the admin API are others."""


@key_options.with_restrictions
def create(
    name: Annotated[str, typer.Option(help="Name of the key.")],
    owner: key_options.Owner = None,
    expires_days: key_options.ExpiresDays = None,
    restrictions: key_options.Used = key_options.NONE_USED,
    labels: key_options.Labels = None,
    label_list: key_options.LabelList = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Repeated within 24 hours with the same text, create no further key, and do not show the API key.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Create a key. The API key is shown only this once.

    Options that are not given have the defaults of the owner's policy. Without such defaults, the key never expires,
    may call every tool, and has no limits. Through the admin API and the dashboard, its owner can narrow what is set
    here but not widen it.

    \b
    Examples:
      mcp-gateway key create --name laptop
      mcp-gateway key create --name etl --labels team=data,env=prod
      mcp-gateway key create --owner ada@example.com --name ci --expires-days 90 --allowed-tool 'query_*'
      KEY=$(mcp-gateway key create --name script --json | jq -r .api_key)
    """
    given = {"key_name": name, "owner": owner, **restrictions, "expires_days": expires_days}
    all_labels = key_options.all_labels(labels, label_list)
    once = _once(idempotency_key, {**given, "labels": all_labels})
    fields = key_options.key_fields(restrictions, key_name=name, expires_days=expires_days, labels=all_labels)
    record, key = with_stores(config, data_dir, lambda stores: _create(stores, owner, fields, once))
    if key is not None:
        key_output.print_new_key(record, key, as_json)
    elif as_json:
        print_json({**public_fields(record), "replayed": True})
    else:
        typer.echo(f"{record.key_id} was created before with this idempotency key; its API key is not shown again")


def _once(text: str | None, request: dict[str, Any]) -> IdempotencyKey | None:
    if text is None:
        return None
    if not is_idempotency_key(text):
        raise CliError(f"--idempotency-key must be 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
    return IdempotencyKey.of(_IDEMPOTENCY_USER, text, request)


async def _create(
    stores: Stores, owner: str | None, fields: dict[str, Any], once: IdempotencyKey | None
) -> tuple[KeyRecord, ApiKey | None]:
    """Return the new key, or without its secret the one that an earlier command with the same text created."""
    if once is not None and (before := await _created_before(stores, once)):
        return before, None
    email = await _owner_email(stores, owner)
    try:
        with key_options.refusals():
            return await stores.keys.create(owner=email, actor=OPERATOR, once=once, **fields)
    except MarkerExists:
        if once is None or not (before := await _created_before(stores, once)):
            raise
        return before, None


async def _created_before(stores: Stores, once: IdempotencyKey) -> KeyRecord | None:
    before = await stores.keys.created(once)
    if before is None:
        return None
    if before.request != once.request:
        raise CliError("--idempotency-key was used in the last 24 hours with other options: use another text")
    return await stores.keys.get(before.key_id)


async def _owner_email(stores: Stores, email: str | None) -> str:
    if email is None:
        users = [user for user in await stores.users.list() if not user.disabled]
        if len(users) != 1:
            raise CliError(f"there are {len(users)} users: name the owner of the key with --owner EMAIL")
        return users[0].email
    return await get_enabled_owner(stores, email)
