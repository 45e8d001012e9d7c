"""The latest result of an expensive read, shared by all requests for a few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

CACHE_SECONDS = 3.0


class CachedStatus:
    """Reads at most once in `CACHE_SECONDS`, and once for all concurrent requests."""

    def __init__(self) -> None:
        self._reading: asyncio.Task[Any] | None = None
        self._expires_at = 0.0

    async def get(self, read: Callable[[], Awaitable[msgspec.Struct]]) -> Any:
        """Return what `read` returned in the last seconds, or read it."""
        loop = asyncio.get_running_loop()
        if self._reading is None or (self._reading.done() and loop.time() >= self._expires_at):
            self._reading = asyncio.ensure_future(self._read(read))
        # A client that disconnects must not end the read of others.
        return await asyncio.shield(self._reading)

    async def _read(self, read: Callable[[], Awaitable[msgspec.Struct]]) -> msgspec.Struct:
        result = await read()
        self._expires_at = asyncio.get_running_loop().time() + CACHE_SECONDS
        return result
