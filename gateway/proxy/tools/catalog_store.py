"""The catalog of tools in Redis: a hash of the tools' schemas, with a version that each change replaces.

A change is a compare-and-set on the version, so that no worker undoes what another one has just written.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from redis.asyncio import Redis

from gateway.proxy.tools.known_tools import digest
from gateway.redis import names as redis_names

_TTL = 90 * 24 * 3600
"""Seconds that Redis keeps a catalog that no worker uses."""
_PAGE_TTL = 600
"""Seconds within which a client must request the next page of a list, for the pages to count as one list."""
_VERSION = b""
"""The hash field that holds the version instead of a tool: the time of the last narrowing, and random characters."""

# KEYS: the catalog. ARGV: the expected version, the new one, the TTL, the number of removed tools, these, and pairs of
# a declared tool and its schemas. Returns 1 if the version was the expected one.
_CHANGE = """
if (redis.call('HGET', KEYS[1], '') or '') ~= ARGV[1] then return 0 end
local first = 5 + tonumber(ARGV[4])
for i = 5, first - 1 do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = first, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[1], '', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class StoredCatalog(msgspec.Struct, frozen=True):
    """A catalog as Redis has it."""

    schemas: dict[str, bytes]
    version: bytes = b""

    @property
    def narrowed_at(self) -> int:
        """The last time at which a tool ceased to be read-only, in milliseconds since the epoch."""
        time = self.version.partition(b":")[0]
        return int(time) if time.isdigit() else 0


class CatalogStore:
    """The catalog of one upstream. Every method raises `redis.RedisError` if Redis is unavailable."""

    def __init__(self, redis: Redis, upstream_url: str) -> None:
        self._redis = redis
        self._name = catalog_name(upstream_url)
        self._change = redis.register_script(_CHANGE)

    async def version(self) -> bytes:
        """Return the version; empty if there is no catalog."""
        version: Any = await self._redis.hget(self._name, _VERSION)
        return version or b""

    async def load(self) -> StoredCatalog:
        """Load the catalog."""
        fields: Any = await self._redis.hgetall(self._name)
        version = fields.pop(_VERSION, b"")
        return StoredCatalog({name.decode(errors="replace"): schemas for name, schemas in fields.items()}, version)

    async def change(
        self, version: bytes, declared: Mapping[str, bytes], removed: Collection[str], narrowed_at: int
    ) -> bool:
        """Declare and remove tools; return False, and change nothing, if the version is no longer this one."""
        new_version = f"{narrowed_at}:{secrets.token_hex(8)}"
        pairs = [part for name, schemas in declared.items() for part in (name, schemas)]
        arguments: list[bytes | str | int] = [version, new_version, _TTL, len(removed), *removed, *pairs]
        return bool(await self._change(keys=[self._name], args=arguments))

    async def keep(self) -> None:
        """Keep the catalog from expiring."""
        await self._redis.expire(self._name, _TTL)

    async def missing_before(self, cursor: str) -> frozenset[str] | None:
        """Return the tools that no page before this cursor had; `None` if that is not known."""
        stored: Any = await self._redis.get(self._page_name(cursor))
        return None if stored is None else msgspec.json.decode(stored, type=frozenset[str])

    async def save_missing(self, cursor: str, missing: Collection[str]) -> None:
        """Store the tools that no page before this cursor had."""
        await self._redis.set(self._page_name(cursor), msgspec.json.encode(sorted(missing)), ex=_PAGE_TTL)

    def _page_name(self, cursor: str) -> str:
        return redis_names.TOOL_LIST_PAGE + redis_names.digest(self._name, cursor)


def catalog_name(upstream_url: str) -> str:
    """Return the name of the Redis hash that maps an upstream's tools to their schemas."""
    parts = urlsplit(upstream_url)
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
    return redis_names.TOOL_SCHEMAS + digest(address.encode()).hex()


async def load_schemas(redis: Redis, upstream_url: str) -> dict[str, bytes]:
    """Load the schemas by tool, in the form that `gateway.metering.tool_declarations` reads. Raises `RedisError`."""
    return (await CatalogStore(redis, upstream_url).load()).schemas
