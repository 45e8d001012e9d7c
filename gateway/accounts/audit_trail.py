"""The audit trail: who did what to which key or user.

- A Redis stream, bounded: beyond about `MAX_ENTRIES` the oldest go.
- Entries name keys by their id and never hold a key, a password or a token.
- An entry is written after the change that it tells of. Where that fails, the change stands and the
  log has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.redis import names as redis_names

MAX_ENTRIES = 100_000

_FIELD = b"entry"
_log = logging.getLogger(__name__)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `at` is in milliseconds since the epoch."""

    at: int
    actor: str
    """The email of who did it."""
    action: str
    """Such as `key.create` or `user.disable`."""
    address: str
    key_id: str | None = None
    owner: str | None = None
    """Whose key it is."""
    user: str | None = None
    """The user it was done to."""
    details: dict[str, str] = {}


class StoredEntry(NamedTuple):
    """An entry with its place in the trail."""

    id: str
    entry: AuditEntry


class AuditTrail:
    """Writes and reads the trail."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms

    async def record(
        self,
        *,
        actor: str,
        action: str,
        address: str,
        key_id: str | None = None,
        owner: str | None = None,
        user: str | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        """Add an entry; never raises for an unreachable Redis."""
        entry = AuditEntry(
            at=self._now_ms(),
            actor=actor,
            action=action,
            address=address,
            key_id=key_id,
            owner=owner,
            user=user,
            details=dict(details or {}),
        )
        encoded = msgspec.json.encode(entry)
        try:
            await self._redis.xadd(redis_names.AUDIT, {_FIELD: encoded}, maxlen=MAX_ENTRIES, approximate=True)
        except RedisError:
            _log.exception("An audit entry could not be stored: %s", encoded.decode())

    async def newest(self, count: int, before: str | None = None) -> list[StoredEntry]:
        """At most `count` entries, newest first, all older than the entry `before`."""
        last = "+" if before is None else f"({before}"
        found = await self._redis.xrevrange(redis_names.AUDIT, max=last, min="-", count=count)
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
        return [
            StoredEntry(place.decode(), msgspec.json.decode(fields[_FIELD], type=AuditEntry))
            for place, fields in entries
        ]
