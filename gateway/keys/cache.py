"""What a worker remembers of keys, so that a request need not ask Redis.

- A record is remembered for at most `LIFETIME` seconds, and dropped when a change of its key is published.
- A look-up that was under way when any change was published is never remembered: it may have read the old
  record.
- While changes cannot be heard (the subscription is down), a remembered record is asked for again at each
  use; only where Redis cannot answer does it go on, to its end. When the subscription stands again, all is
  forgotten.
- What is not remembered and cannot be asked for raises `KeysUnavailable`: never open.
- Callers that ask for one key at the same time share one look-up. A caller that is cancelled disturbs no
  other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.store import Found, KeyStore
from gateway.observability import metrics
from gateway.redis.names import INVALIDATIONS
from gateway.redis.subscription import Subscription

LIFETIME = 30.0
"""Seconds that a record is remembered at most."""
MAX_ENTRIES = 10_000
"""Records that are remembered; beyond, the one that was used least recently is forgotten."""
FLUSH_EVERY = 5.0
"""Seconds between two writings of the times of last use."""
MAX_USES = 100_000
"""Keys whose last use may wait for Redis; beyond, the use of a further key is not noted."""
ASK_AGAIN_AFTER = 1.0
"""Seconds after a failed look-up in which remembered records are not asked for again."""

log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """Redis cannot be asked, and the key is not remembered."""


class _Entry(NamedTuple):
    record: KeyRecord
    ends: float


class _Failed(NamedTuple):
    error: RedisError | OSError


class KeyCache:
    """The keys of one worker.

    `on_change(key_id)` is told of each change of a key, and `on_reset()` when changes may have been missed:
    then all open streams are to be looked at again.
    """

    def __init__(
        self,
        store: KeyStore,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._digests: dict[str, set[str]] = {}
        self._lookups: dict[str, asyncio.Task[Found | _Failed | None]] = {}
        self._generation = 0
        self._failed_at = float("-inf")
        self._uses: dict[str, int] = {}
        self._flusher: asyncio.Task[None] | None = None
        self._subscription = Subscription(redis, INVALIDATIONS, on_made=self._forget_all, on_message=self._changed)
        self.on_change: Callable[[str], None] = lambda key_id: None
        self.on_reset: Callable[[], None] = lambda: None

    @property
    def hears_changes(self) -> bool:
        """Whether the subscription stands."""
        return self._subscription.is_up

    async def start(self) -> None:
        """Subscribe to changes and begin to write last uses. Redis may be away; it is tried again."""
        await self._subscription.start()
        self._flusher = asyncio.create_task(self._flush_regularly(), name="last uses of keys")

    async def stop(self) -> None:
        """End all tasks and write the last uses that wait."""
        await self._subscription.stop()
        tasks = [*self._lookups.values(), *([self._flusher] if self._flusher else [])]
        await asyncio.gather(*map(cancel_and_wait, tasks))
        await self._flush()

    def recall(self, key: ApiKey) -> KeyRecord | None:
        """What `authenticate` gives, where that needs no look-up; else `None`."""
        digest = self._store.digest(key)
        entry = self._entries.get(digest)
        if entry is None or entry.ends <= self._monotonic() or not (self.hears_changes or self._failed_lately()):
            return None
        metrics.key_lookup("hit")
        self._entries.move_to_end(digest)
        return entry.record

    async def authenticate(self, key: ApiKey) -> KeyRecord | None:
        """The record of a key, at most `LIFETIME` old; `None` for an unknown one.

        The caller checks its status. Raises `KeysUnavailable`.
        """
        record = self.recall(key)
        if record is not None:
            return record
        digest = self._store.digest(key)
        found = await self._look_up(digest)
        if not isinstance(found, _Failed):
            metrics.key_lookup("miss")
            return None if found is None else found.record
        if self._remembered(digest):
            metrics.key_lookup("hit")
            return self._use(digest)
        metrics.key_lookup("error")
        raise KeysUnavailable(str(found.error)) from found.error

    def used(self, key_id: str) -> None:
        """Note that a key was used now; written to Redis in batches."""
        if key_id in self._uses or len(self._uses) < MAX_USES:
            self._uses[key_id] = self._now_ms()

    def _remembered(self, digest: str) -> bool:
        entry = self._entries.get(digest)
        return entry is not None and entry.ends > self._monotonic()

    def _use(self, digest: str) -> KeyRecord:
        self._entries.move_to_end(digest)
        return self._entries[digest].record

    def _failed_lately(self) -> bool:
        return self._monotonic() - self._failed_at < ASK_AGAIN_AFTER

    async def _look_up(self, digest: str) -> Found | _Failed | None:
        task = self._lookups.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest, self._generation))
            self._lookups[digest] = task
            task.add_done_callback(lambda done: self._looked_up(digest, done))
        return await asyncio.shield(task)

    def _looked_up(self, digest: str, task: asyncio.Task[Found | _Failed | None]) -> None:
        if self._lookups.get(digest) is task:
            del self._lookups[digest]

    async def _ask(self, digest: str, generation: int) -> Found | _Failed | None:
        asked_at = self._monotonic()
        try:
            found = await self._store.find_digest(digest)
        except (RedisError, OSError) as error:
            self._failed_at = self._monotonic()
            return _Failed(error)
        if generation == self._generation:
            self._forget(digest)
            if found is not None:
                self._remember(digest, found, asked_at)
        return found

    def _remember(self, digest: str, found: Found, asked_at: float) -> None:
        lifetime = LIFETIME
        if found.until is not None:
            lifetime = min(lifetime, (found.until - self._now_ms()) / 1000)
        self._entries[digest] = _Entry(found.record, asked_at + lifetime)
        self._digests.setdefault(found.record.key_id, set()).add(digest)
        if len(self._entries) > MAX_ENTRIES:
            self._forget(next(iter(self._entries)))

    def _forget(self, digest: str) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        digests = self._digests[entry.record.key_id]
        digests.discard(digest)
        if not digests:
            del self._digests[entry.record.key_id]

    def _forget_all(self) -> None:
        self._generation += 1
        self._lookups.clear()
        self._entries.clear()
        self._digests.clear()
        self.on_reset()

    def _changed(self, message: bytes) -> None:
        key_id = message.decode("utf-8", "replace")
        self._generation += 1
        # Whoever asks from now on must not be given what was read before the change.
        self._lookups.clear()
        for digest in tuple(self._digests.get(key_id, ())):
            self._forget(digest)
        self.on_change(key_id)

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self._flush()

    async def _flush(self) -> None:
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._store.record_uses(uses)
        except (RedisError, OSError) as error:
            self._uses = uses | self._uses
            log.warning("cannot write when keys were last used: %s; they wait for Redis", error)
