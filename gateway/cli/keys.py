"""`mcp-gateway key`: API keys, straight on Redis."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli import key_options, key_output, options
from gateway.cli.output import CliError, print_json, print_pairs, print_table
from gateway.cli.stores import ADDRESS, Stores, actor, with_stores
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.validation import InvalidField
from gateway.timestamps import format_minute, now_ms

app = typer.Typer(no_args_is_help=True, help="API keys: what MCP clients send.")


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    owner: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Whose key it is.", show_default="the only user")
    ] = None,
    expires_days: key_options.ExpiresDays = None,
    allowed_tools: key_options.Tools = None,
    allowed_tables: key_options.Tables = None,
    allowed_ips: key_options.Addresses = None,
    rate_limit_per_minute: key_options.RateLimit = None,
    records_per_day: key_options.RecordsPerDay = None,
    calls_per_day: key_options.CallsPerDay = None,
    labels: key_options.Labels = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Create a key. It is shown this once.

    \b
    Examples:
      mcp-gateway key create --name laptop
      mcp-gateway key create --owner ada@example.com --name ci --expires-days 90 --allowed-tool 'query_*'
      KEY=$(mcp-gateway key create --name script --json | jq -r .api_key)
    """
    fields: dict[str, Any] = {
        "allowed_tools": allowed_tools or None,
        "allowed_tables": allowed_tables or None,
        "allowed_ips": allowed_ips or None,
        "rate_limit_per_minute": rate_limit_per_minute,
        "records_per_day": records_per_day,
        "calls_per_day": calls_per_day,
        "labels": key_options.labels(labels),
        "expires_at": key_options.expiry(expires_days),
    }

    async def work(stores: Stores) -> tuple[KeyRecord, ApiKey]:
        email = await _owner(stores, owner)
        try:
            record, key = await stores.keys.create(owner=email, key_name=name, **fields)
        except InvalidField as error:
            raise CliError(key_options.spelled(error)) from None
        await _audit(stores, "key.create", record, {"key_name": record.key_name})
        return record, key

    key_output.show_secret(*with_stores(config, data_dir, work), as_json)


@app.command(name="list")
def list_keys(
    owner: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Only this user's keys.", show_default="everybody's")
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List keys, newest first."""

    async def work(stores: Stores) -> tuple[list[KeyRecord], dict[str, int]]:
        records = await stores.keys.list(owner and owner.strip().casefold())
        return records, await stores.keys.last_used([record.key_id for record in records])

    records, used = with_stores(config, data_dir, work)
    if as_json:
        print_json({"keys": [key_output.shown(record, used.get(record.key_id)) for record in records]})
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
            format_minute(used.get(record.key_id)),
        )
        for record in records
    ]
    print_table(("KEY ID", "NAME", "KEY", "OWNER", "STATUS", "EXPIRES (UTC)", "LAST USED (UTC)"), rows)


@app.command()
def show(
    key_id: key_options.KeyId,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show one key with its limits."""

    async def work(stores: Stores) -> tuple[KeyRecord, int | None]:
        record = await _existing(stores, key_id)
        return record, (await stores.keys.last_used([record.key_id])).get(record.key_id)

    record, used = with_stores(config, data_dir, work)
    shown = key_output.shown(record, used)
    if as_json:
        print_json(shown)
    else:
        print_pairs([(name, key_output.for_people(value)) for name, value in shown.items()])


@app.command()
def revoke(
    key_id: key_options.KeyId,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Revoke a key for good; it is refused everywhere at once. Repeating it is fine."""

    async def work(stores: Stores) -> None:
        record = await _existing(stores, key_id)
        await stores.keys.revoke(record.key_id)
        if record.revoked_at is None:
            await _audit(stores, "key.revoke", record)

    with_stores(config, data_dir, work)
    if as_json:
        print_json({"key_id": key_id, "status": "revoked"})
    else:
        typer.echo(f"{key_id} is revoked")


@app.command()
def rotate(
    key_id: key_options.KeyId,
    overlap_seconds: Annotated[int, typer.Option(min=0, help="How long the old key still works.")] = 0,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Replace a key by a new one under the same key id. It is shown this once.

    \b
    Example:
      mcp-gateway key rotate key_… --overlap-seconds 86400   # a day to hand the new key out
    """

    async def work(stores: Stores) -> tuple[KeyRecord, ApiKey]:
        before = await _existing(stores, key_id)
        if before.status(now_ms()) == "expired":
            raise CliError(f"{key_id} has expired: give it a new end first (`mcp-gateway key update --expires-days`)")
        try:
            rotated = await stores.keys.rotate(key_id, overlap_seconds)
        except InvalidField as error:
            raise CliError(key_options.spelled(error)) from None
        if rotated is None:
            raise CliError(f"{key_id} is revoked for good: create a new key")
        await _audit(stores, "key.rotate", rotated[0], {"overlap_seconds": str(overlap_seconds)})
        return rotated

    key_output.show_secret(*with_stores(config, data_dir, work), as_json)


@app.command()
def update(
    key_id: key_options.KeyId,
    name: Annotated[str | None, typer.Option(help="What the key is for.", show_default=False)] = None,
    expires_days: key_options.ExpiresDays = None,
    allowed_tools: key_options.Tools = None,
    allowed_tables: key_options.Tables = None,
    allowed_ips: key_options.Addresses = None,
    rate_limit_per_minute: key_options.RateLimit = None,
    records_per_day: key_options.RecordsPerDay = None,
    calls_per_day: key_options.CallsPerDay = None,
    labels: key_options.Labels = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT", help=f"Remove a limit: {', '.join(key_options.CLEARABLE)}. Repeatable."),
    ] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Change a key; what is not named stays.

    \b
    Examples:
      mcp-gateway key update key_… --calls-per-day 1000 --expires-days 30
      mcp-gateway key update key_… --clear calls-per-day --clear expires
    """
    given: dict[str, Any] = {
        "key_name": name,
        "expires_at": key_options.expiry(expires_days),
        "allowed_tools": allowed_tools or None,
        "allowed_tables": allowed_tables or None,
        "allowed_ips": allowed_ips or None,
        "rate_limit_per_minute": rate_limit_per_minute,
        "records_per_day": records_per_day,
        "calls_per_day": calls_per_day,
        "labels": key_options.labels(labels) if labels else None,
    }
    changes = {field: value for field, value in given.items() if value is not None} | key_options.cleared(clear or [])
    if not changes:
        raise CliError("there is nothing to change: name what to change (`mcp-gateway key update --help`)")

    async def work(stores: Stores) -> tuple[KeyRecord, int | None]:
        before = await _existing(stores, key_id)
        if before.revoked_at is not None:
            raise CliError(f"{key_id} is revoked for good: create a new key")
        try:
            record = await stores.keys.update(key_id, **changes)
        except InvalidField as error:
            raise CliError(key_options.spelled(error)) from None
        if record is None:
            raise _no_such_key(key_id)
        await _audit(stores, "key.update", record, {field: str(value)[:500] for field, value in changes.items()})
        return record, (await stores.keys.last_used([key_id])).get(key_id)

    record, used = with_stores(config, data_dir, work)
    if as_json:
        print_json(key_output.shown(record, used))
    else:
        typer.echo(f"{key_id} is changed: {', '.join(sorted(changes))}")


async def _owner(stores: Stores, email: str | None) -> str:
    if email is None:
        users = [user for user in await stores.users.list() if not user.disabled]
        if len(users) != 1:
            raise CliError(f"there are {len(users)} users: name the key's owner with --owner EMAIL")
        return users[0].email
    user = await stores.users.get(email)
    if user is None:
        raise CliError(f"there is no user {email}: add it with `mcp-gateway user add {email}`")
    if user.disabled:
        raise CliError(f"{user.email} is disabled: name another owner")
    return user.email


async def _existing(stores: Stores, key_id: str) -> KeyRecord:
    record = await stores.keys.get(key_id)
    if record is None:
        raise _no_such_key(key_id)
    return record


def _no_such_key(key_id: str) -> CliError:
    if key_id.startswith("sk-"):
        return CliError("that is an API key: name its key id, key_…, which `mcp-gateway key list` shows")
    return CliError(f"there is no key {key_id}: `mcp-gateway key list` shows all")


async def _audit(stores: Stores, action: str, record: KeyRecord, details: dict[str, str] | None = None) -> None:
    await stores.audit.record(
        actor=actor(), action=action, address=ADDRESS, key_id=record.key_id, owner=record.owner, details=details
    )
