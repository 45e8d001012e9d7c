"""The streams that are open, by the key they were opened with, so that a key's end is their end.

Every half second each key that has a stream is checked anew, through the cache; so a stream is cut within a second of
its key's revocation or expiry, also while nothing passes. Where a key can no longer be checked, its streams are cut:
never open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.secret import ApiKey
from gateway.proxy.metrics_sink import ProxyMetricsSink

_TICK = 0.5
"""Seconds between two checks."""


class OpenStreams:
    """The tasks that serve streams."""

    def __init__(self, is_good: Callable[[ApiKey], Awaitable[bool]], observed: ProxyMetricsSink) -> None:
        self._is_good = is_good
        self._observed = observed
        self._tasks: dict[ApiKey, set[asyncio.Task[object]]] = {}
        self._listening: set[asyncio.Task[object]] = set()
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to check."""
        self._watch = asyncio.get_running_loop().create_task(self._check_regularly())

    async def close(self) -> None:
        """Cut every stream and stop checking."""
        if self._watch is not None:
            await cancel_and_wait(self._watch)
        for key in list(self._tasks):
            self._cut(key)

    def cut_listening(self) -> None:
        """Cut the streams that have no end of their own."""
        for task in list(self._listening):
            task.cancel()

    def open(self, key: ApiKey, *, is_listening: bool) -> None:
        """From now on, until `end`, the current task serves a stream of this key; its end may come as a cancellation.

        A listening stream (GET, or `subscriptions/listen`) has no end of its own.
        """
        task = asyncio.current_task()
        assert task is not None
        self._tasks.setdefault(key, set()).add(task)
        if is_listening:
            self._listening.add(task)
        self._observed.streams_opened(1)

    def end(self, key: ApiKey) -> None:
        """The stream that the current task served is over."""
        task = asyncio.current_task()
        assert task is not None
        self._observed.streams_opened(-1)
        self._listening.discard(task)
        tasks = self._tasks[key]
        tasks.discard(task)
        if not tasks:
            del self._tasks[key]

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            for key in list(self._tasks):
                if not await self._is_good(key):
                    self._cut(key)

    def _cut(self, key: ApiKey) -> None:
        for task in list(self._tasks.get(key, ())):
            task.cancel()
