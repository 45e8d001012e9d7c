"""The catalog of the upstream's tools in one worker.

- The upstream is never asked. A `tools/list` result that passes counts in this worker immediately, and is saved in the
  background, in the order in which the results pass. While Redis is unavailable, this is tried again and again.
- What a worker has saved reaches the others within `_REFRESH_SECONDS`, or when they `refresh`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.metering.tool_declarations import ToolHints, ToolList, is_read_only, parse_hints, parse_tool_list
from gateway.proxy.tools.catalog_store import CatalogStore, StoredCatalog
from gateway.proxy.tools.known_tools import KnownTool, KnownTools, ToolListing, cursor_digest, digest

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 0.5
_KEEP_SECONDS = 3600.0
"""Interval at which the catalog in Redis is kept from expiring."""
_MAX_AGE_MS = 60_000
"""Milliseconds from the request for a list to its result; a later one, as of a resumed stream, is ignored."""
_MAX_UNSAVED = 64
"""Results that wait to be saved; beyond, the oldest is dropped."""
_MAX_PARSED = 16
"""Lists that are kept in parsed form; then all are dropped."""


class ToolCatalog:
    """The tools of one upstream, and what their declarations tell admission and metering."""

    def __init__(self, redis: Redis, upstream_url: str, *, now_ms: Callable[[], int]) -> None:
        self._store = CatalogStore(redis, upstream_url)
        self._now_ms = now_ms
        self._version = b""
        self._saved = KnownTools()
        """The tools in Redis."""
        self._known = self._saved
        """These, and the changes that are not saved yet."""
        self._hints: dict[str, ToolHints] = {}
        self._unsaved: dict[tuple[str | None, bytes], ToolListing] = {}
        """The results to save by cursor and digest, in the order in which they passed."""
        self._parsed: dict[bytes, tuple[ToolList, dict[str, KnownTool]]] = {}
        self._wakeup = asyncio.Event()
        self._lock = asyncio.Lock()
        """Held while synchronizing with Redis."""
        self._is_synchronized = True
        self._task: asyncio.Task[None] | None = None

    def hints(self, tool: str) -> ToolHints | None:
        """Return what the declaration of a tool tells the metering; `None` if the tool is unknown."""
        return self._hints.get(tool)

    def read_only_hint(self, tool: str) -> bool | None:
        """Return True if the upstream declares a tool as read-only, else False; `None` for an unknown tool."""
        known = self._known.tools.get(tool)
        return None if known is None else known.is_read_only

    def observe_tools(self, result: bytes, *, cursor: str | None, requested_at: int) -> None:
        """Learn the tools of a `tools/list` result; see `ToolListing` about `cursor` and `requested_at`."""
        now = self._now_ms()
        if requested_at < now - _MAX_AGE_MS:
            return
        key = (cursor, digest(result))
        page, tools = self._parse(result, key[1])
        listing = ToolListing(page, tools, cursor, requested_at, now)
        self._unsaved.pop(key, None)
        self._unsaved[key] = listing
        if len(self._unsaved) > _MAX_UNSAVED:
            del self._unsaved[next(iter(self._unsaved))]
        self._apply(listing)
        self._wakeup.set()

    async def start(self) -> None:
        """Load the catalog, and keep it up to date with that of the other workers. Redis may be down."""
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def refresh(self) -> None:
        """Load what other workers have saved; do nothing while Redis is unavailable."""
        async with self._lock:
            if self._is_synchronized:
                await self._synchronize()

    async def stop(self) -> None:
        """Stop all background work."""
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        keep_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await self._wakeup.wait()
            self._wakeup.clear()
            async with self._lock:
                await self._synchronize()
            if not self._is_synchronized:
                await asyncio.sleep(_REFRESH_SECONDS)
            elif loop.time() >= keep_at and self._version:
                keep_at = loop.time() + _KEEP_SECONDS
                with contextlib.suppress(RedisError):
                    await self._store.keep()

    async def _synchronize(self) -> None:
        """Load what other workers have saved, and save what has passed."""
        try:
            await self._load_changes()
            while self._unsaved:
                key, listing = next(iter(self._unsaved.items()))
                is_saved = await self._save(listing)
                if is_saved and self._unsaved.get(key) is listing:
                    del self._unsaved[key]
                await self._load_changes()
        except RedisError:
            if self._is_synchronized:
                log.info("Redis is unavailable: the catalog of the upstream's tools is not synchronized")
            self._is_synchronized = False
        except Exception:
            # Without further attempts, a tool would stay read-only here that no longer is.
            log.exception("the catalog of the upstream's tools was not synchronized")
            self._is_synchronized = False
        else:
            self._is_synchronized = True

    async def _load_changes(self) -> None:
        if await self._store.version() == self._version:
            return
        stored = await self._store.load()
        tools, hints = await asyncio.to_thread(_parse_stored, stored)
        self._version, self._saved, self._hints = stored.version, KnownTools(tools, stored.narrowed_at), hints
        self._known = self._saved
        for listing in self._unsaved.values():
            self._apply(listing)

    async def _save(self, listing: ToolListing) -> bool:
        """Save the changes that a result makes; return False if another worker has saved changes in the meantime."""
        changes = self._saved.changes(listing, await self._missing_from(listing))
        if not changes:
            return True
        declared = {name: listing.page.schemas[name] for name in changes.declared}
        return await self._store.change(self._version, declared, changes.removed, changes.narrowed_at)

    async def _missing_from(self, listing: ToolListing) -> AbstractSet[str]:
        """Return the tools that are missing from the whole list, if this is its last page."""
        if listing.page.is_cut or listing.cursor is None:
            return self._saved.missing_from(listing)
        before = await self._store.missing_before(listing.cursor) if listing.cursor else self._saved.tools.keys()
        if before is None:
            return frozenset()
        missing = before - listing.tools.keys()
        if not listing.page.next_cursor:
            return missing
        await self._store.save_missing(cursor_digest(listing.page.next_cursor), missing)
        return frozenset()

    def _apply(self, listing: ToolListing) -> None:
        self._known = self._known.after(self._known.changes(listing, self._known.missing_from(listing)))

    def _parse(self, result: bytes, digest_of_result: bytes) -> tuple[ToolList, dict[str, KnownTool]]:
        parsed = self._parsed.get(digest_of_result)
        if parsed is None:
            if len(self._parsed) >= _MAX_PARSED:
                self._parsed.clear()
            page = parse_tool_list(result)
            tools = {name: KnownTool(digest(one), name in page.read_only) for name, one in page.schemas.items()}
            parsed = self._parsed[digest_of_result] = page, tools
        return parsed


def _parse_stored(stored: StoredCatalog) -> tuple[dict[str, KnownTool], dict[str, ToolHints]]:
    tools = {name: KnownTool(digest(one), is_read_only(one)) for name, one in stored.schemas.items()}
    return tools, {name: parse_hints(one) for name, one in stored.schemas.items()}
