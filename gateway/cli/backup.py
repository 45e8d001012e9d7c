"""`mcp-gateway backup` and `restore`: what a gateway with embedded engines holds, as one file."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

import gateway
from gateway.cli import admin_api, options
from gateway.cli.output import CliError
from gateway.cli.stores import Stores, with_stores
from gateway.runtime import backup as backups
from gateway.settings import Settings, load_settings
from gateway.timestamps import format_rfc3339, now_ms

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SNAPSHOT_SECONDS = 600.0
_POLL = 0.1
_MADE = ("valkey", "clickhouse", "jwt_secret")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]


def backup(file: File, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Back up a running gateway into one file.

    It goes on serving meanwhile. This is for `mcp-gateway up` with embedded engines; with engines of your own, use
    their own means. The file holds users, keys, usage and the secret of logins: keep it safe.

    \b
    Example:
      mcp-gateway backup /backups/gateway-$(date +%F).tar
    """
    with_stores(config, data_dir, lambda stores: _backup(stores, file))
    typer.echo(f"{file} has {file.stat().st_size / 1e6:,.1f} MB")


def restore(file: File, data_dir: options.DataDir = None, config: options.ConfigFile = None) -> None:
    """Make a data folder from a backup.

    It must not be there yet, or be empty. Start `mcp-gateway up` on it afterwards.

    \b
    Example:
      mcp-gateway restore /backups/gateway-2026-01-31.tar --data-dir ./data
    """
    settings = load_settings(config, {"data_dir": data_dir})
    _only_embedded(settings)
    from gateway.runtime.preflight import CannotStartError, held_data_dir, prepare_data_dir

    folder = settings.data_dir.absolute()
    try:
        prepare_data_dir(folder)
        with held_data_dir(folder):
            made_at = _restore(file, folder)
    except CannotStartError as error:
        raise CliError(str(error)) from None
    typer.echo(f"{folder} is what it was at {made_at}")


async def _backup(stores: Stores, file: Path) -> None:
    _only_embedded(stores.settings)
    if stores.found.runtime is None:
        raise CliError("only a running `mcp-gateway up` can be backed up: name its folder with --data-dir")
    data_dir = stores.settings.data_dir
    unfinished = file.with_name(file.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix=".mcp-gateway-backup-", dir=file.parent) as made:
            folder = Path(made)
            await _snapshot(stores.redis, data_dir / "valkey", folder / backups.RDB)
            made_at = format_rfc3339(now_ms())
            await _usage(stores, folder / backups.USAGE)
            if (data_dir / "jwt_secret").exists():
                shutil.copyfile(data_dir / "jwt_secret", folder / backups.SECRET)
            await asyncio.to_thread(backups.pack, folder, unfinished, made_at=made_at, gateway=gateway.__version__)
        unfinished.replace(file)
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


async def _snapshot(redis: Redis, folder: Path, into: Path) -> None:
    """A snapshot of all that Valkey has now."""
    before = int((await _persistence(redis))["rdb_saves"])
    await redis.bgsave(schedule=True)
    try:
        async with asyncio.timeout(_SNAPSHOT_SECONDS):
            while (state := await _persistence(redis))["rdb_saves"] <= before or state["rdb_bgsave_in_progress"]:
                if state["rdb_last_bgsave_status"] != "ok" and not state["rdb_bgsave_in_progress"]:
                    raise CliError(f"Valkey cannot write a snapshot: see {folder / 'valkey.log'}")
                await asyncio.sleep(_POLL)
    except TimeoutError:
        raise CliError("Valkey does not finish its snapshot") from None
    # Valkey itself has no use for it: it begins with its append-only file.
    shutil.move(folder / "dump.rdb", into)


async def _persistence(redis: Redis) -> dict[str, Any]:
    return dict(await redis.info("persistence"))


async def _usage(stores: Stores, into: Path) -> None:
    query = {"format": "parquet", "all": "true"}
    with _created(into) as file:
        async with aclosing(admin_api.download(stores, "/api/mcp-usage/export", query)) as pieces:
            async for piece in pieces:
                file.write(piece)


def _created(path: Path) -> IO[bytes]:
    return open(path, "wb")


def _restore(file: Path, folder: Path) -> str:
    if there := [name for name in _MADE if (folder / name).exists()]:
        raise CliError(f"{folder} has data already ({', '.join(there)}): restore into a new folder")
    from gateway.usage.store.errors import UsageTableUnavailable
    from gateway.usage.store.restore import restore_usage

    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=folder) as unpacked:
            members = Path(unpacked)
            manifest = backups.unpack(file, members)
            restore_usage(folder / "clickhouse", members / backups.USAGE)
            if (members / backups.SECRET).exists():
                shutil.copyfile(members / backups.SECRET, folder / "jwt_secret")
                os.chmod(folder / "jwt_secret", 0o600)
            backups.put_valkey(members / backups.RDB, folder / "valkey")
    except BaseException as error:
        for name in _MADE:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if isinstance(error, backups.BackupFault | UsageTableUnavailable | OSError):
            raise CliError(f"nothing was restored: {error}") from None
        raise
    return manifest.made_at


def _only_embedded(settings: Settings) -> None:
    for name, url in (("GATEWAY_REDIS_URL", settings.redis_url), ("GATEWAY_CLICKHOUSE_URL", settings.clickhouse_url)):
        if url is not None:
            raise CliError(f"{name} is set: only embedded engines are backed up; use the means of your own for yours")
