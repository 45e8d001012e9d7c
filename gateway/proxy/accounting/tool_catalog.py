"""The catalog of the upstream's tools, collected from the `tools/list` results that pass.

- The upstream is never asked. A list whose bytes were seen before is not read again; new and changed tools of any other
  list are written to Redis, in the background.
- The catalog of one worker reaches the others within `_REFRESH_SECONDS`.
- Lost entries are collected again from the next list, so a failure of Redis here affects nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.metering.tool_declarations import MAX_LIST, MAX_TOOLS, ToolHints, parse_hints, parse_tool_list
from gateway.redis import names as redis_names

log = logging.getLogger(__name__)

_MAX_SEEN = 256
"""Maximum number of lists whose digests are remembered; then all are forgotten and read again."""
_REFRESH_SECONDS = 30.0
_TTL = 90 * 24 * 3600
"""Seconds that Redis keeps a catalog that no worker loads or writes."""
_VERSION = ""
"""The hash field that holds a random version instead of a tool, so that workers notice changes."""


def catalog_name(upstream_url: str) -> str:
    """Return the name of the Redis hash that maps an upstream's tools to their schemas."""
    parts = urlsplit(upstream_url)
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
    return redis_names.TOOL_SCHEMAS + _digest(address.encode()).hex()


async def load_schemas(redis: Redis, upstream_url: str) -> dict[str, bytes]:
    """Load the schemas by tool, in the form that `gateway.metering.tool_declarations` reads. Raises `RedisError`."""
    fields: Any = await redis.hgetall(catalog_name(upstream_url))
    return {name.decode(errors="replace"): schemas for name, schemas in fields.items() if name != _VERSION.encode()}


class ToolCatalog:
    """The tools of one upstream, and what their declarations tell the metering."""

    def __init__(self, redis: Redis, upstream_url: str) -> None:
        self._redis = redis
        self._upstream_url = upstream_url
        self._name = catalog_name(upstream_url)
        self._seen_lists: set[bytes] = set()
        self._version: bytes | None = None
        self._schema_digests: dict[str, bytes] = {}
        self._hints: dict[str, ToolHints] = {}
        self._store_tasks: set[asyncio.Task[None]] = set()
        self._refresh_task: asyncio.Task[None] | None = None

    def hints(self, tool: str) -> ToolHints | None:
        """Return what the declaration of a tool tells the metering; `None` if the tool is unknown."""
        return self._hints.get(tool)

    def read_only_hint(self, tool: str) -> bool | None:
        """Return the `readOnlyHint` with which the upstream declares a tool; `None` for an unknown tool."""
        return None

    def observe_tools(self, result: bytes) -> None:
        """Add the tools of a `tools/list` result, in the background."""
        if len(result) > MAX_LIST or (digest := _digest(result)) in self._seen_lists:
            return
        if len(self._seen_lists) >= _MAX_SEEN:
            self._seen_lists.clear()
        self._seen_lists.add(digest)
        task = asyncio.get_running_loop().create_task(self._store(result, digest))
        self._store_tasks.add(task)
        task.add_done_callback(self._store_tasks.discard)

    def start(self) -> None:
        """Load the catalog, and keep it up to date with that of the other workers."""
        self._refresh_task = asyncio.get_running_loop().create_task(self._refresh())

    async def stop(self) -> None:
        """Stop all background work."""
        for task in (self._refresh_task, *self._store_tasks):
            if task is not None:
                await cancel_and_wait(task)

    async def _store(self, result: bytes, digest: bytes) -> None:
        tools = await asyncio.to_thread(parse_tool_list, result)
        changed = {
            name: schemas for name, schemas in tools.items() if self._schema_digests.get(name) != _digest(schemas)
        }
        if not changed:
            return
        try:
            free = MAX_TOOLS - await self._redis.hlen(self._name)
            known = {name: schemas for name, schemas in changed.items() if name in self._schema_digests}
            new = [(name, schemas) for name, schemas in changed.items() if name not in self._schema_digests]
            written = {**known, **dict(new[: max(0, free)])}
            if not written:
                return
            version = secrets.token_bytes(8)
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hset(self._name, _VERSION, version, mapping=written)  # type: ignore[arg-type]
                commands.expire(self._name, _TTL)
                await commands.execute()
        except RedisError:
            self._seen_lists.discard(digest)
            log.info("Redis is unavailable: the upstream's list of tools was not stored")
            return
        await self._update(written)

    async def _refresh(self) -> None:
        while True:
            try:
                version: Any = await self._redis.hget(self._name, _VERSION)
                if version is not None and version != self._version:
                    await self._update(await load_schemas(self._redis, self._upstream_url))
                    self._version = version
                    await self._redis.expire(self._name, _TTL)
            except RedisError:
                log.info("Redis is unavailable: the catalog of the upstream's tools was not refreshed")
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _update(self, tools: dict[str, bytes]) -> None:
        hints = await asyncio.to_thread(lambda: {name: parse_hints(schemas) for name, schemas in tools.items()})
        self._hints.update(hints)
        self._schema_digests.update({name: _digest(schemas) for name, schemas in tools.items()})


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
