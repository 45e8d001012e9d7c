"""The stores that the commands of users and keys work on."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.cli.output import CliError
from gateway.cli.running import Found, find
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.settings import Settings, load_settings
from gateway.settings.values import mask_url
from gateway.timestamps import now_ms

if TYPE_CHECKING:
    from gateway.accounts.audit_trail import AuditTrail
    from gateway.accounts.users import UserStore

Result = TypeVar("Result")

ADDRESS = "command line"
"""What the audit trail has in place of a client's address."""


class Stores(NamedTuple):
    """Users, keys and the audit trail of one gateway, and where they are."""

    users: UserStore
    keys: KeyStore
    audit: AuditTrail
    redis: Redis
    found: Found
    settings: Settings


def actor() -> str:
    """Who does it, for the audit trail: the user of the operating system."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"


def with_stores(config: Path | None, data_dir: Path | None, work: Callable[[Stores], Awaitable[Result]]) -> Result:
    """Do some work on the gateway's stores. Raises `CliError` where they cannot be reached."""
    settings = load_settings(config, {"data_dir": data_dir})

    async def run() -> Result:
        async with _opened(settings) as stores:
            return await work(stores)

    return asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Stores]:
    from gateway.accounts.audit_trail import AuditTrail
    from gateway.accounts.users import UserStore

    found = find(settings)
    pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
    redis = connect(found.redis_url)
    users = UserStore(redis, now_ms=now_ms)
    try:
        keys, audit = KeyStore(redis, pepper=pepper, now_ms=now_ms), AuditTrail(redis, now_ms=now_ms)
        yield Stores(users, keys, audit, redis, found, settings)
    except (RedisError, OSError) as error:
        where = "see GATEWAY_REDIS_URL" if found.runtime is None else "is `mcp-gateway up` well?"
        raise CliError(
            f"Redis at {mask_url(found.redis_url)} cannot be used: {str(error).rstrip('.')}; {where}"
        ) from error
    finally:
        users.passwords.close()
        await redis.aclose()
