"""Calls that go on without their client, so that they are counted, until the client comes back for them.

A server gives a stream to one connection at a time. While the gateway holds that of a call whose client has gone, a
client that takes the stream up again (`Last-Event-ID`) would get nothing of it, from whichever worker. The rules:

- A session with such calls has a mark in Redis. A client that comes back deletes it, and each worker that finds the
  mark of its calls gone lets go of them, within `_TICK_SECONDS`.
- Only calls that are noted are let go of: they are counted where their answer passes.
- At most `_MAX_WORKS` go on, and none beyond `drain`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.accounting.correlation_models import Scope
from gateway.redis import names as redis_names

_TICK_SECONDS = 0.05
_MARK_SECONDS = 24 * 3600
"""Longer than a call goes on."""
_MAX_WORKS = 1000


class DetachedCalls:
    """A worker's calls whose client has gone."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._works: dict[asyncio.Task[None], str] = {}
        """Each with its session's mark; empty where nobody can come back for it."""
        self._watch: asyncio.Task[None] | None = None
        self._is_over = False

    def go_on(self, work: Coroutine[Any, Any, None], until_back_in: Scope | None = None) -> bool:
        """Do the work of a call whose client has gone; whether there is room for it.

        It is cancelled when the client comes back for a stream of the session `until_back_in`.
        """
        if self._is_over or len(self._works) >= _MAX_WORKS:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._works[task] = _mark(until_back_in) if until_back_in is not None else ""
        task.add_done_callback(self._works.pop)
        if until_back_in is not None and (self._watch is None or self._watch.done()):
            self._watch = asyncio.get_running_loop().create_task(self._watch_marks())
        return True

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

    async def drain(self, seconds: float) -> None:
        """Wait for the calls that go on; then end them, and from then on let none go on."""
        if self._works:
            await asyncio.wait(self._works, timeout=seconds)
        self._is_over = True
        unfinished = list(self._works)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._watch is not None:
            await cancel_and_wait(self._watch)

    async def _watch_marks(self) -> None:
        made: set[str] = set()
        while marks := list(set(self._works.values()) - {""}):
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
    return redis_names.DETACHED_CALLS + scope.digest()
