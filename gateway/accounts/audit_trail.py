"""The audit trail: every change of a key or user, with its author and time.

- A Redis stream, trimmed to about `MAX_AUDIT_ENTRIES` entries.
- Entries refer to keys by id and never contain a key, a password or a token.
- An entry is written after the change it describes. If writing fails, the change stands and the entry is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.redis import names as redis_names

MAX_AUDIT_ENTRIES = 100_000

_FIELD = b"entry"
_log = logging.getLogger(__name__)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `at` is a timestamp in milliseconds since the epoch."""

    at: int
    actor: str
    """Email of the user who made the change, or the operating system's user on the command line."""
    action: str
    """The kind of change, such as `key.create` or `user.disable`."""
    address: str
    """Client address of the request."""
    key_id: str | None = None
    owner: str | None = None
    """Owner of the key that was changed."""
    user: str | None = None
    """Email of the user that was changed."""
    details: dict[str, str] = {}


class StoredEntry(NamedTuple):
    """An entry and its id in the stream."""

    id: str
    entry: AuditEntry


class AuditTrail:
    """Writes and reads the audit trail."""

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
        """Add an entry. If Redis is unavailable, log the entry instead of raising."""
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
            await self._redis.xadd(redis_names.AUDIT, {_FIELD: encoded}, maxlen=MAX_AUDIT_ENTRIES, approximate=True)
        except RedisError:
            _log.exception("Cannot store an audit entry: %s", encoded.decode())

    async def newest(self, limit: int, before: str | None = None) -> list[StoredEntry]:
        """Return at most `limit` entries, newest first; with `before`, only entries older than that id."""
        newest_id = "+" if before is None else f"({before}"
        found = await self._redis.xrevrange(redis_names.AUDIT, max=newest_id, min="-", count=limit)
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
        return [
            StoredEntry(entry_id.decode(), msgspec.json.decode(fields[_FIELD], type=AuditEntry))
            for entry_id, fields in entries
        ]
