"""Creations that are repeated under one idempotency key make one key.

The marker of a creation is stored together with the key (`stored_key.add`), so that a crash leaves both or neither.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from gateway.keys.storage.stored_key import Marker
from gateway.redis import names
from gateway.timestamps import DAY_MS

MAX_IDEMPOTENCY_KEY = 255
"""Characters of the text that a user chooses."""


def is_idempotency_key(text: str) -> bool:
    """Return True for 1 to `MAX_IDEMPOTENCY_KEY` printable ASCII characters."""
    return 0 < len(text) <= MAX_IDEMPOTENCY_KEY and text.isascii() and text.isprintable()


class CreatedBefore(msgspec.Struct, frozen=True, array_like=True):
    """The key that was created under an idempotency key, and a digest of the request that created it."""

    key_id: str
    request: str


class IdempotencyKey(NamedTuple):
    """A text that a user chose for one creation, and a digest of the request."""

    name: str
    request: str

    @classmethod
    def of(cls, user: str, text: str, request: Any) -> IdempotencyKey:
        """Return the idempotency key of a user for a request, which is anything that JSON can represent."""
        content = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()
        return cls(names.CREATION + names.digest(user, text), content)

    def marker(self, key_id: str) -> Marker:
        """Return the marker to store together with a key."""
        return Marker(self.name, msgspec.json.encode(CreatedBefore(key_id, self.request)), DAY_MS)


async def find_created(redis: Redis, once: IdempotencyKey) -> CreatedBefore | None:
    """Return what was created under an idempotency key in the last 24 hours, or `None`."""
    stored = await redis.get(once.name)
    return None if stored is None else msgspec.json.decode(stored, type=CreatedBefore)
