"""`mcp-gateway backup` and `restore`: all data of a gateway with embedded engines, as one file."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json
from gateway.cli.support.stores import Stores, with_stores
from gateway.runtime import backup as backup_file
from gateway.settings import Settings, load_settings
from gateway.timestamps import format_rfc3339, now_ms

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SNAPSHOT_TIMEOUT = 600.0
_POLL_INTERVAL = 0.1
_RESTORED_ENTRIES = ("valkey", "clickhouse", "jwt_secret")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup file.", show_default=False)]


def backup(
    file: File,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Back up a running gateway into one file.

    Works for `mcp-gateway up` with embedded engines, which keeps serving meanwhile. For Redis and ClickHouse servers of
    your own, use their backup tools. The file contains users, keys, usage, the audit log and the secret of the admin
    API's tokens: protect it.

    \b
    Example:
      mcp-gateway backup /backups/gateway-$(date +%F).tar
    """
    with_stores(config, data_dir, lambda stores: _backup(stores, file))
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        typer.echo(f"{file} has {size / 1e6:,.1f} MB")


def restore(
    file: File,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Create a data folder from a backup file.

    The folder must be new or empty. Start `mcp-gateway up` on it afterwards.

    \b
    Example:
      mcp-gateway restore /backups/gateway-2026-01-31.tar --data-dir ./data
    """
    settings = load_settings(config, {"data_dir": data_dir})
    _require_embedded(settings)
    from gateway.preflight.startup_checks import CannotStartError
    from gateway.runtime import data_dir as data_folder

    folder = settings.data_dir.absolute()
    try:
        data_folder.prepare(folder)
        with data_folder.locked(folder):
            made_at = _restore(file, folder)
    except CannotStartError as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"data_dir": str(folder), "made_at": made_at})
    else:
        typer.echo(f"{folder} has the data of {made_at}")


async def _backup(stores: Stores, file: Path) -> None:
    _require_embedded(stores.settings)
    if stores.instance is None:
        raise CliError("only a running `mcp-gateway up` can be backed up: name its folder with --data-dir")
    data_dir = stores.settings.data_dir
    unfinished = file.with_name(file.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix=".mcp-gateway-backup-", dir=file.parent) as temporary:
            folder = Path(temporary)
            await _save_snapshot(stores.redis, data_dir / "valkey", folder / backup_file.RDB)
            made_at = format_rfc3339(now_ms())
            await _export(stores, "/api/audit/export", {}, folder / backup_file.AUDIT)
            await _export(stores, "/api/mcp-usage/denials/export", {"all": "true"}, folder / backup_file.DENIALS)
            await _export(stores, "/api/mcp-usage/export", {"all": "true"}, folder / backup_file.USAGE)
            if (data_dir / "jwt_secret").exists():
                shutil.copyfile(data_dir / "jwt_secret", folder / backup_file.SECRET)
            await asyncio.to_thread(backup_file.pack, folder, unfinished, made_at=made_at, gateway=gateway.__version__)
        unfinished.replace(file)
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


async def _save_snapshot(redis: Redis, valkey_dir: Path, target: Path) -> None:
    """Make Valkey write a snapshot, and move it to `target`."""
    saves_before = int((await _persistence(redis))["rdb_saves"])
    await redis.bgsave(schedule=True)
    try:
        async with asyncio.timeout(_SNAPSHOT_TIMEOUT):
            while (info := await _persistence(redis))["rdb_saves"] <= saves_before or info["rdb_bgsave_in_progress"]:
                if info["rdb_last_bgsave_status"] != "ok" and not info["rdb_bgsave_in_progress"]:
                    raise CliError(f"Valkey cannot write a snapshot: check {valkey_dir / 'valkey.log'}")
                await asyncio.sleep(_POLL_INTERVAL)
    except TimeoutError:
        raise CliError(
            f"Valkey did not finish its snapshot within {_SNAPSHOT_TIMEOUT:.0f} s: check {valkey_dir / 'valkey.log'}"
        ) from None
    # Valkey does not need the file: it loads its append-only file at the start.
    shutil.move(valkey_dir / "dump.rdb", target)


async def _persistence(redis: Redis) -> dict[str, Any]:
    return dict(await redis.info("persistence"))


async def _export(stores: Stores, path: str, query: Mapping[str, str], target: Path) -> None:
    with await asyncio.to_thread(open, target, "wb") as file:
        async with aclosing(admin_client.download(stores, path, {"format": "parquet", **query})) as chunks:
            async for chunk in chunks:
                file.write(chunk)


def _restore(file: Path, folder: Path) -> str:
    """Restore into a locked data folder; on an error, leave it empty. Returns the time of the backup."""
    if existing := [name for name in _RESTORED_ENTRIES if (folder / name).exists()]:
        raise CliError(f"{folder} has data already ({', '.join(existing)}): restore into a new folder")
    from gateway.usage.store.errors import UsageTableUnavailable
    from gateway.usage.store.names import AUDIT_TABLE, DENIALS_TABLE, LOG_TABLE
    from gateway.usage.store.restore import restore_tables

    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=folder) as temporary:
            members = Path(temporary)
            manifest = backup_file.unpack(file, members)
            tables = {AUDIT_TABLE: backup_file.AUDIT, DENIALS_TABLE: backup_file.DENIALS, LOG_TABLE: backup_file.USAGE}
            exports = {table: members / name for table, name in tables.items() if name in manifest.sha256}
            restore_tables(folder / "clickhouse", exports)
            if (members / backup_file.SECRET).exists():
                shutil.copyfile(members / backup_file.SECRET, folder / "jwt_secret")
                os.chmod(folder / "jwt_secret", 0o600)
            backup_file.install_snapshot(members / backup_file.RDB, folder / "valkey")
    except BaseException as error:
        for name in _RESTORED_ENTRIES:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if isinstance(error, backup_file.InvalidBackup | UsageTableUnavailable | OSError):
            raise CliError(f"nothing was restored: {error}") from None
        raise
    return manifest.made_at


def _require_embedded(settings: Settings) -> None:
    for name, url in (("GATEWAY_REDIS_URL", settings.redis_url), ("GATEWAY_CLICKHOUSE_URL", settings.clickhouse_url)):
        if url is not None:
            raise CliError(
                f"{name} is set, but only embedded engines are backed up: use the backup tool of that server"
            )
