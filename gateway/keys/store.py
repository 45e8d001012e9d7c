"""Storage of API keys in Redis.

- The secret of a key is never stored, only its digest; digests are in no record that is returned.
- Each change is a compare-and-set on the stored record and is published (`gateway.keys.storage`).
- A change waits until Redis has it on disk, so that a crash of Redis cannot undo a revocation. The wait is bounded:
  after `durable_writes.FSYNC_TIMEOUT_MS`, and where Redis cannot report it, the change returns in any case.
- A secret that rotation replaced works until its overlap ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from gateway.keys import changes
from gateway.keys.changes import Actor
from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, base62
from gateway.keys.storage.last_uses import LastUses, SecretUse
from gateway.keys.storage.stored_key import (
    Secret,
    StoredKey,
    add,
    change,
    decode_record,
    read,
    read_by_digest,
    read_stored_key,
)
from gateway.keys.validation import InvalidField, validate_fields
from gateway.redis import names
from gateway.timestamps import format_rfc3339

MAX_OWNER_LENGTH = 254
MAX_OVERLAP_SECONDS = 30 * 86_400
_PAGE = 500
_KEY_ID_LENGTH = 20


class KeyLookup(NamedTuple):
    """The record that a secret belongs to, and the end of its overlap if the secret was replaced."""

    record: KeyRecord
    secret_expires_at: int | None


class LiveSecret(NamedTuple):
    """A secret that a key accepts, without the secret, and its last use. Times are milliseconds since the epoch."""

    prefix: str | None
    """`None` for a secret that an earlier version replaced."""
    since: int | None
    """`None` for a secret that an earlier version made."""
    until: int | None
    """The end of its overlap; `None` for the newest secret."""
    last_use: SecretUse | None = None

    def values(self) -> dict[str, str | None]:
        """Return the members by which the admin API and the command line describe it."""
        use = self.last_use
        return {
            "prefix": self.prefix,
            "since": format_rfc3339(self.since),
            "until": format_rfc3339(self.until),
            "last_used_at": None if use is None else format_rfc3339(use.at),
            "client": None if use is None else use.client or None,
            "address": None if use is None else use.address,
        }


class KeyStore:
    """API keys in Redis. Every method raises `redis.exceptions.RedisError` if Redis is unavailable."""

    def __init__(
        self,
        redis: Redis,
        *,
        pepper: str | None,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._redis = redis
        self._pepper = pepper
        self._now_ms = now_ms
        self._random = random
        self.policies = PolicyStore(redis)
        """The policies of the owners of keys."""
        self.last_uses = LastUses(redis)
        """When keys and secrets were last used."""

    async def create(
        self, *, owner: str, key_name: str, actor: Actor | None = None, **fields: Any
    ) -> tuple[KeyRecord, ApiKey]:
        """Create a key; by default as its owner. `fields` are those that a user may set.

        The owner's policy has the values of those that are left out. Raises `InvalidField` and `changes.BeyondPolicy`.
        """
        now = self._now_ms()
        given = validate_fields({"key_name": key_name, **fields})
        if not owner or len(owner) > MAX_OWNER_LENGTH or not owner.isprintable():
            raise InvalidField("owner", "must be the email of a user")
        if given.get("expires_at") is not None and given["expires_at"] <= now:
            raise InvalidField("expires_at", "must be in the future")
        policy = await self.policies.find(owner)
        key = ApiKey.generate(self._random)
        stored = StoredKey(
            key_id="key_" + base62(int.from_bytes(self._random(16), "big"), _KEY_ID_LENGTH),
            key_prefix=key.prefix,
            owner=owner,
            owner_policy=policy,
            created_at=now,
            secrets=(Secret(key.digest(self._pepper), prefix=key.prefix, created_at=now),),
            ceiling=None if actor is None else changes.initial_ceiling(owner, given, actor),
            **changes.new_fields(owner, policy, given, now),
        )
        # The key is shown only once: a crash of Redis must not lose it.
        await add(self._redis, stored, now)
        return stored.record(), key

    async def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of a key id, with its owner's policy; it may be revoked or expired."""
        return await read(self._redis, key_id)

    async def live_secrets(self, key_id: str) -> list[LiveSecret]:
        """Return the secrets that a key accepts while it is active, newest first; none for an unknown key."""
        stored = await read_stored_key(self._redis, key_id)
        secrets = [] if stored is None else stored.live_secrets(self._now_ms())
        uses = await self.last_uses.of_secrets([secret.digest for secret in secrets])
        return [
            LiveSecret(secret.prefix, secret.created_at, secret.expires_at, use)
            for secret, use in zip(secrets, uses, strict=True)
        ]

    def digest(self, key: ApiKey) -> str:
        """Return the digest under which the secret is stored."""
        return key.digest(self._pepper)

    async def find_by_digest(self, digest: str) -> KeyLookup | None:
        """Find the record of a secret; it may be revoked or expired. `None` for an unknown or replaced secret."""
        found = await read_by_digest(self._redis, digest)
        if found is None or (found[1] is not None and found[1] <= self._now_ms()):
            return None
        return KeyLookup(*found)

    async def list(self, owner: str | None) -> list[KeyRecord]:
        """Return all keys of an owner, or of all owners for `None`; newest first."""
        index = names.KEY_IDS if owner is None else names.KEY_IDS_OF_OWNER + owner
        members = cast(list[bytes], await self._redis.zrange(index, 0, -1, desc=True))
        key_ids = [member.decode() for member in members]
        records: list[KeyRecord] = []
        for start in range(0, len(key_ids), _PAGE):
            page = key_ids[start : start + _PAGE]
            values = await self._redis.mget([names.KEY_RECORD + key_id for key_id in page])
            records += (decode_record(raw) for raw in values if raw is not None)
        return records

    async def revoke(self, key_id: str) -> KeyRecord | None:
        """Revoke a key permanently; idempotent. Returns `None` if the key does not exist."""

        def revoke(key: StoredKey) -> StoredKey:
            return key if key.revoked_at is not None else msgspec.structs.replace(key, revoked_at=self._now_ms())

        return await self._change(key_id, revoke)

    async def suspend(self, key_id: str, actor: Actor) -> KeyRecord | None:
        """Suspend a key; idempotent. Returns `None` if the key does not exist."""
        return await self._change(key_id, lambda key: changes.suspend(key, actor, self._now_ms()))

    async def resume(self, key_id: str, actor: Actor) -> KeyRecord | None:
        """End the suspension of a key; idempotent. Returns `None` if the key does not exist.

        Raises `changes.SuspendedByAdmin` and `changes.OwnerDisabled`.
        """
        return await self._change(key_id, lambda key: changes.resume(key, actor))

    async def disable_owner(self, owner: str) -> int:
        """Suspend every key of an owner. Returns how many were active before."""
        now = self._now_ms()
        records = await self.list(owner)
        found = [record for record in records if record.owner_disabled_at is None and record.revoked_at is None]
        await self._change_all(owner, found, lambda key: changes.disable_owner(key, now))
        return sum(record.status(now) == "active" for record in found)

    async def enable_owner(self, owner: str) -> int:
        """Undo `disable_owner`; keys that were suspended otherwise stay so. Returns how many are active again."""
        found = [record for record in await self.list(owner) if record.owner_disabled_at is not None]
        await self._change_all(owner, found, changes.enable_owner)
        return sum(changes.enable_owner(record).status(self._now_ms()) == "active" for record in found)

    async def transfer(self, key_id: str, owner: str) -> KeyRecord | None:
        """Give a key to another owner, who exists and is not disabled.

        Returns `None` if the key does not exist or is revoked. Raises `changes.BeyondPolicy`.
        """
        policy = await self.policies.find(owner)

        def transfer(key: StoredKey) -> StoredKey | None:
            return None if key.revoked_at is not None else changes.transfer(key, owner, policy)

        return await self._change(key_id, transfer)

    async def _change(self, key_id: str, make: Callable[[StoredKey], StoredKey | None]) -> KeyRecord | None:
        changed = await change(self._redis, key_id, make, self._now_ms())
        return None if changed is None else changed.record()

    async def _change_all(
        self, owner: str, records: Sequence[KeyRecord], make: Callable[[StoredKey], StoredKey]
    ) -> None:
        """Change keys of an owner, without those that were transferred in the meantime."""

        def make_if_owned(key: StoredKey) -> StoredKey | None:
            return make(key) if key.owner == owner else None

        for record in records:
            # Redis writes its log in order: once the last change is on disk, the others are, too.
            is_last = record is records[-1]
            await change(self._redis, record.key_id, make_if_owned, self._now_ms(), durable=is_last)

    async def rotate(self, key_id: str, overlap_seconds: int) -> tuple[KeyRecord, ApiKey] | None:
        """Give a key a new secret; older secrets expire after `overlap_seconds`, or earlier if they already would.

        Returns `None` if the key does not exist or is revoked. Raises `InvalidField`.
        """
        if isinstance(overlap_seconds, bool) or not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise InvalidField("overlap_seconds", f"must be from 0 to {MAX_OVERLAP_SECONDS}")
        key = ApiKey.generate(self._random)
        digest = key.digest(self._pepper)
        overlap_ends_at = self._now_ms() + overlap_seconds * 1000

        def rotate(stored: StoredKey) -> StoredKey | None:
            if stored.revoked_at is not None:
                return None
            ends = [
                overlap_ends_at if secret.expires_at is None else min(secret.expires_at, overlap_ends_at)
                for secret in stored.secrets
            ]
            now = self._now_ms()
            older = (
                msgspec.structs.replace(secret, expires_at=end)
                for secret, end in zip(stored.secrets, ends, strict=True)
                if end > now
            )
            newest = Secret(digest, prefix=key.prefix, created_at=now)
            return msgspec.structs.replace(stored, key_prefix=key.prefix, secrets=(newest, *older))

        rotated = await self._change(key_id, rotate)
        return None if rotated is None else (rotated, key)

    async def update(self, key_id: str, actor: Actor | None = None, **fields: Any) -> KeyRecord | None:
        """Set fields of a key; by default as its owner. Returns `None` if the key does not exist.

        Raises `InvalidField`, `changes.BeyondPolicy`, and `ceilings.AboveCeiling` if the actor may not widen the key.
        """
        valid = validate_fields(fields)

        def update(key: StoredKey) -> StoredKey:
            return changes.update(key, valid, actor or Actor(key.owner, is_admin=False), self._now_ms())

        return await self._change(key_id, update)
