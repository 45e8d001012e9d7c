"""Access to a gateway's users, keys and audit log, in the configured Redis or in that of a running `up`."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.audit.audit_log import AuditLog
from gateway.audit.author import COMMAND_LINE, Author
from gateway.cli.support.output import CliError
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.runtime.data_dir import Instance, running_instance
from gateway.settings import Settings, load_settings
from gateway.settings.values import mask_url
from gateway.timestamps import now_ms

if TYPE_CHECKING:
    from gateway.accounts.users import UserStore

Result = TypeVar("Result")


class Stores(NamedTuple):
    """The users, the keys and the audit log of one gateway, and the Redis that they are in."""

    users: UserStore
    keys: KeyStore
    audit: AuditLog
    redis: Redis
    instance: Instance | None
    """The running `up`; None if Redis was configured by its URL."""
    settings: Settings


def find_instance(data_dir: Path) -> Instance | None:
    """Return the `up` that runs on a data folder, or None. Raises `CliError` for another user's folder."""
    try:
        return running_instance(data_dir)
    except PermissionError:
        raise CliError(
            f"the data folder {data_dir} belongs to another user: run this as the user who runs `mcp-gateway up`"
        ) from None


def with_stores(config: Path | None, data_dir: Path | None, work: Callable[[Stores], Awaitable[Result]]) -> Result:
    """Connect, run `work`, disconnect, and return its result. Raises `CliError` if Redis cannot be reached."""
    settings = load_settings(config, {"data_dir": data_dir})

    async def run() -> Result:
        async with _connected(settings) as stores:
            return await work(stores)

    return asyncio.run(run())


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Stores]:
    from gateway.accounts.users import UserStore

    redis_url, instance = _locate_redis(settings)
    pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
    redis = connect(redis_url)
    users = UserStore(redis, now_ms=now_ms)
    try:
        author = command_author()
        keys, audit = KeyStore(redis, pepper=pepper, now_ms=now_ms), AuditLog(redis, now_ms=now_ms, author=author)
        yield Stores(users.by(author), keys.by(author), audit, redis, instance, settings)
    except (RedisError, OSError) as error:
        fix = "check GATEWAY_REDIS_URL" if instance is None else "check the log of `mcp-gateway up`"
        raise CliError(f"Redis at {mask_url(redis_url)} cannot be used: {str(error).rstrip('.')}; {fix}") from error
    finally:
        users.passwords.close()
        await redis.aclose()


def command_author() -> Author:
    """Return the user of the operating system as the author of what a command does."""
    try:
        return Author(f"{getpass.getuser()} ({COMMAND_LINE})", COMMAND_LINE)
    except (KeyError, OSError):
        return Author(COMMAND_LINE, COMMAND_LINE)


def _locate_redis(settings: Settings) -> tuple[str, Instance | None]:
    if settings.redis_url is not None:
        return settings.redis_url, None
    instance = find_instance(settings.data_dir)
    if instance is None:
        raise CliError(
            f"no gateway runs on {settings.data_dir}: start one with `mcp-gateway up`,"
            " name its folder with --data-dir, or set GATEWAY_REDIS_URL"
        )
    return instance.redis_url, instance
