"""Calls that go on without their client, so that they are counted, until the client comes back for them.

A server gives a stream to one connection at a time. While the gateway holds that of a call whose client has gone, a
client that takes the stream up again (`Last-Event-ID`) would get nothing of it, from whichever worker. The rules:

- A session with such calls has a mark in Redis. A client that comes back deletes it, and each worker that finds the
  mark of its calls gone lets go of them, within `_TICK_SECONDS`.
- Only calls that are noted are let go of: they are counted where their answer passes.
"""

from __future__ import annotations

import asyncio
import contextlib

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway import redis_names
from gateway.proxy.asked import Scope
from gateway.tasks import end

_TICK_SECONDS = 0.05
_MARK_SECONDS = 24 * 3600
"""Longer than a call goes on."""


class Departed:
    """A worker's calls whose client has gone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._works: dict[asyncio.Task[None], str] = {}
        """Bounded by who begins them. Each with its session's mark."""
        self._watch: asyncio.Task[None] | None = None

    def go_on(self, scope: Scope, work: asyncio.Task[None]) -> None:
        """A noted call of this session goes on as `work`, which is cancelled when the client comes back."""
        self._works[work] = _mark(scope)
        work.add_done_callback(self._works.pop)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._watch_marks())

    async def let_go(self, scope: Scope) -> None:
        """The client of this session has come back: returns when its streams are free.

        It may be here before the worker that served it has seen it go, so there is a second look for the mark.
        """
        with contextlib.suppress(RedisError):
            for _ in range(2):
                is_marked = await self._redis.delete(_mark(scope))
                await asyncio.sleep(2 * _TICK_SECONDS)
                if is_marked:
                    return

    async def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            await end(self._watch)

    async def _watch_marks(self) -> None:
        made: set[str] = set()
        while self._works:
            marks = list(set(self._works.values()))
            try:
                for mark in set(marks) - made:
                    await self._redis.set(mark, b"", ex=_MARK_SECONDS)
                made.update(marks)
                await asyncio.sleep(_TICK_SECONDS)
                found = await self._redis.mget(marks)
            except RedisError:
                await asyncio.sleep(_TICK_SECONDS)
                continue
            gone = {mark for mark, value in zip(marks, found, strict=True) if value is None}
            made -= gone
            for work, mark in list(self._works.items()):
                if mark in gone:
                    work.cancel()


def _mark(scope: Scope) -> str:
    return redis_names.DEPARTED + scope.name("")
