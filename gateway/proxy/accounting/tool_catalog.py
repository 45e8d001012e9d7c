"""What the upstream's tools are, learned from the lists of tools that pass.

- Nothing is asked of the upstream. A list whose bytes were seen before is not read again; of another, what is new or
  changed is written to Redis, in the background.
- Every worker has what one of them has learned, after `_REFRESH_SECONDS` at most.
- What is lost is learned again; so a failure of Redis here fails nothing else.
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
from gateway.metering.tools import MAX_LIST, MAX_TOOLS, ToolHints, read_hints, read_tools
from gateway.redis import names as redis_names

log = logging.getLogger(__name__)

_MAX_SEEN = 256
"""Different lists that are known by their bytes; then they are read once more."""
_REFRESH_SECONDS = 30.0
_TTL = 90 * 24 * 3600
"""Seconds that Redis keeps what no worker has loaded or learned."""
_EDITION = ""
"""In the place of a tool's name: which edition this is, to see whether there is something new."""


def name_in_redis(upstream_url: str) -> str:
    """Where the tools of an upstream are kept: a hash of their names to their schemas."""
    parts = urlsplit(upstream_url)
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
    return redis_names.TOOL_SCHEMAS + blake2b(address.encode(), digest_size=16).hexdigest()


async def read_learned(redis: Redis, upstream_url: str) -> dict[str, bytes]:
    """The schemas that were learned, by tool, as `gateway.metering.tools` reads them. Raises `RedisError`."""
    found: Any = await redis.hgetall(name_in_redis(upstream_url))
    return {name.decode(errors="replace"): kept for name, kept in found.items() if name != _EDITION.encode()}


class ToolCatalog:
    """The tools of one upstream."""

    def __init__(self, redis: Redis, upstream_url: str) -> None:
        self._redis = redis
        self._upstream_url = upstream_url
        self._name = name_in_redis(upstream_url)
        self._seen: set[bytes] = set()
        self._edition: bytes | None = None
        self._kept: dict[str, bytes] = {}
        self._hints: dict[str, ToolHints] = {}
        self._storing: set[asyncio.Task[None]] = set()
        self._refreshing: asyncio.Task[None] | None = None

    def hints(self, tool: str) -> ToolHints | None:
        """What the declaration of a tool tells, as far as it is known."""
        return self._hints.get(tool)

    def learn(self, result: bytes) -> None:
        """A result of `tools/list` has passed."""
        if len(result) > MAX_LIST or (digest := _digest(result)) in self._seen:
            return
        if len(self._seen) >= _MAX_SEEN:
            self._seen.clear()
        self._seen.add(digest)
        task = asyncio.get_running_loop().create_task(self._store(result, digest))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    def start(self) -> None:
        """Have from now on what the workers have learned."""
        self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def stop(self) -> None:
        """Stop learning."""
        for task in (self._refreshing, *self._storing):
            if task is not None:
                await cancel_and_wait(task)

    async def _store(self, result: bytes, digest: bytes) -> None:
        tools = await asyncio.to_thread(read_tools, result)
        changed = {name: kept for name, kept in tools.items() if self._kept.get(name) != _digest(kept)}
        if not changed:
            return
        try:
            room = MAX_TOOLS - await self._redis.hlen(self._name)
            known = {name: kept for name, kept in changed.items() if name in self._kept}
            new = [(name, kept) for name, kept in changed.items() if name not in self._kept]
            written = {**known, **dict(new[: max(0, room)])}
            if not written:
                return
            edition = secrets.token_bytes(8)
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hset(self._name, _EDITION, edition, mapping=written)  # type: ignore[arg-type]
                commands.expire(self._name, _TTL)
                await commands.execute()
        except RedisError:
            self._seen.discard(digest)
            log.info("the upstream's tools were not learned: Redis did not answer")
            return
        await self._take(written)

    async def _refresh(self) -> None:
        while True:
            try:
                edition: Any = await self._redis.hget(self._name, _EDITION)
                if edition is not None and edition != self._edition:
                    await self._take(await read_learned(self._redis, self._upstream_url))
                    self._edition = edition
                    await self._redis.expire(self._name, _TTL)
            except RedisError:
                log.info("the upstream's tools were not looked up: Redis did not answer")
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _take(self, tools: dict[str, bytes]) -> None:
        hints = await asyncio.to_thread(lambda: {name: read_hints(kept) for name, kept in tools.items()})
        self._hints.update(hints)
        self._kept.update({name: _digest(kept) for name, kept in tools.items()})


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
