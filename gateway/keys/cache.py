"""Per-worker cache of API keys, invalidated over Redis pub/sub.

- A record is cached for at most `MAX_AGE` seconds, and dropped when a change of its key, or of the policy of its owner,
  is published.
- A lookup that is in flight when any change is published is not cached: it may have read the old record.
- While the subscription is down, each use of a cached record reads Redis again; the cached record is used only if
  Redis is unavailable, and only until it expires. When the subscription is restored, the cache is cleared.
- A key that is neither cached nor readable raises `KeysUnavailable`: the cache fails closed.
- Concurrent lookups of a key share one query. Cancelling one caller does not affect the others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.last_used import LastUsedWriter
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.details import KeyLookup
from gateway.keys.store import KeyStore
from gateway.redis.names import INVALIDATIONS, POLICY_CHANGES
from gateway.redis.subscription import Subscription

MAX_AGE = 30.0
"""Seconds for which a record is cached."""
MAX_CACHED_KEYS = 10_000
"""Cached records; beyond, the least recently used one is evicted."""
RETRY_INTERVAL = 1.0
"""Seconds after a failed lookup in which cached records are used without reading Redis again."""

Outcome = Literal["hit", "miss", "error"]
"""A lookup was answered by the cache or by Redis, or failed."""


class KeysUnavailable(Exception):
    """The key is not cached, and Redis cannot be read."""


class _CacheEntry(NamedTuple):
    record: KeyRecord
    expires_at: float


class _LookupFailed(NamedTuple):
    error: RedisError | OSError


class KeyCache:
    """The API keys that one worker has read recently."""

    def __init__(
        self,
        store: KeyStore,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        count_lookup: Callable[[Outcome], None],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._count_lookup = count_lookup
        self._entries: OrderedDict[str, _CacheEntry] = OrderedDict()
        # By the messages that make them stale.
        self._digests: dict[str, set[str]] = {}
        self._lookups: dict[str, asyncio.Task[KeyLookup | _LookupFailed | None]] = {}
        self._generation = 0
        self._failed_at = float("-inf")
        self._last_used = LastUsedWriter(store.last_uses, now_ms=now_ms)
        self._subscription = Subscription(redis, INVALIDATIONS, on_subscribed=self._clear, on_message=self._invalidate)

    async def start(self) -> None:
        """Subscribe to invalidations and start to write last uses; if Redis is unavailable, keep trying."""
        await self._subscription.start()
        self._last_used.start()

    async def stop(self) -> None:
        """Cancel all tasks and write the pending last uses."""
        await self._subscription.stop()
        await asyncio.gather(*map(cancel_and_wait, self._lookups.values()))
        await self._last_used.stop()

    def cached_record(self, key: ApiKey) -> KeyRecord | None:
        """Return the record of a key if it can be used without reading Redis, else `None`."""
        digest = self._store.digest(key)
        entry = self._entries.get(digest)
        if (
            entry is None
            or entry.expires_at <= self._monotonic()
            or not (self._subscription.is_subscribed or self._failed_recently())
        ):
            return None
        self._count_lookup("hit")
        self._entries.move_to_end(digest)
        return entry.record

    async def find(self, key: ApiKey) -> KeyRecord | None:
        """Find the record of a key, at most `MAX_AGE` seconds old; `None` for an unknown key.

        The record may be revoked or expired: check its status. Raises `KeysUnavailable`.
        """
        record = self.cached_record(key)
        if record is not None:
            return record
        digest = self._store.digest(key)
        result = await self._shared_lookup(digest)
        if not isinstance(result, _LookupFailed):
            self._count_lookup("miss")
            return None if result is None else result.record
        entry = self._entries.get(digest)
        if entry is not None and entry.expires_at > self._monotonic():
            self._count_lookup("hit")
            self._entries.move_to_end(digest)
            return entry.record
        self._count_lookup("error")
        raise KeysUnavailable(str(result.error)) from result.error

    def record_use(self, key: ApiKey, key_id: str, client: str, address: str) -> None:
        """Record that a client at this address uses a key now."""
        self._last_used.record(self._store.digest(key), key_id, client, address)

    async def get(self, key_id: str) -> KeyRecord | None:
        """Read the record of a key id from Redis. Raises `redis.exceptions.RedisError`."""
        return await self._store.get(key_id)

    def _failed_recently(self) -> bool:
        return self._monotonic() - self._failed_at < RETRY_INTERVAL

    async def _shared_lookup(self, digest: str) -> KeyLookup | _LookupFailed | None:
        task = self._lookups.get(digest)
        if task is None:
            task = asyncio.create_task(self._look_up(digest, self._generation))
            self._lookups[digest] = task
            task.add_done_callback(lambda done: self._remove_lookup(digest, done))
        return await asyncio.shield(task)

    def _remove_lookup(self, digest: str, task: asyncio.Task[KeyLookup | _LookupFailed | None]) -> None:
        if self._lookups.get(digest) is task:
            del self._lookups[digest]

    async def _look_up(self, digest: str, generation: int) -> KeyLookup | _LookupFailed | None:
        started_at = self._monotonic()
        try:
            lookup = await self._store.find_by_digest(digest)
        except (RedisError, OSError) as error:
            self._failed_at = self._monotonic()
            return _LookupFailed(error)
        if generation == self._generation:
            self._evict(digest)
            if lookup is not None:
                self._add(digest, lookup, started_at)
        return lookup

    def _add(self, digest: str, lookup: KeyLookup, read_at: float) -> None:
        max_age = MAX_AGE
        if lookup.secret_expires_at is not None:
            max_age = min(max_age, (lookup.secret_expires_at - self._now_ms()) / 1000)
        self._entries[digest] = _CacheEntry(lookup.record, read_at + max_age)
        for message in _messages(lookup.record):
            self._digests.setdefault(message, set()).add(digest)
        if len(self._entries) > MAX_CACHED_KEYS:
            self._evict(next(iter(self._entries)))

    def _evict(self, digest: str) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        for message in _messages(entry.record):
            digests = self._digests[message]
            digests.discard(digest)
            if not digests:
                del self._digests[message]

    def _clear(self) -> None:
        """Forget everything: invalidations may have been lost while the subscription was down."""
        self._generation += 1
        self._lookups.clear()
        self._entries.clear()
        self._digests.clear()

    def _invalidate(self, message: bytes) -> None:
        self._generation += 1
        # A caller that arrives from now on must not share a lookup that may have read the old record.
        self._lookups.clear()
        for digest in tuple(self._digests.get(message.decode("utf-8", "replace"), ())):
            self._evict(digest)


def _messages(record: KeyRecord) -> tuple[str, str]:
    """Return the messages after which a cached record is stale."""
    return record.key_id, POLICY_CHANGES + record.owner
