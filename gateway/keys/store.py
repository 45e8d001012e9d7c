"""Storage of API keys in Redis.

- The secret of a key is never stored, only its digest; digests are in no record that is returned.
- Each change is a compare-and-set on the stored record and is published (`gateway.keys.storage`).
- A change waits until Redis has it on disk, so that a crash of Redis cannot undo a revocation. The wait is bounded:
  after `durable_writes.FSYNC_TIMEOUT_MS`, and where Redis cannot report it, the change returns in any case.
- A secret that rotation replaced works until its overlap ends.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from gateway.audit.author import Author, act_of
from gateway.keys import changes
from gateway.keys.changes import Actor
from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, base62
from gateway.keys.storage.creations import CreatedBefore, IdempotencyKey, find_created
from gateway.keys.storage.details import KeyDetails, KeyLookup, LiveSecret, UpdatedKey, VersionMismatch
from gateway.keys.storage.last_uses import LastUses
from gateway.keys.storage.stored_key import (
    Secret,
    StoredKey,
    add,
    change,
    read,
    read_all,
    read_by_digest,
    read_stored_key,
)
from gateway.keys.validation import InvalidField, validate_fields
from gateway.redis import names

MAX_OWNER_LENGTH = 254
MAX_OVERLAP_SECONDS = 30 * 86_400
_KEY_ID_LENGTH = 20


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
        self._author: Author | None = None
        self.policies = PolicyStore(redis, now_ms=now_ms)
        """The policies of the owners of keys."""
        self.last_uses = LastUses(redis)
        """When keys and secrets were last used."""

    def by(self, author: Author) -> KeyStore:
        """Return the same store for an author, whose changes are recorded in the audit log."""
        store = copy.copy(self)
        store._author, store.policies = author, self.policies.by(author)
        return store

    async def create(
        self,
        *,
        owner: str,
        key_name: str,
        actor: Actor | None = None,
        once: IdempotencyKey | None = None,
        **fields: Any,
    ) -> tuple[KeyRecord, ApiKey]:
        """Create a key; by default as its owner. `fields` are those that a user may set.

        The owner's policy has the values of those that are left out. Raises `InvalidField` and `changes.BeyondPolicy`,
        and `MarkerExists` if a key was created with this idempotency key.
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
        marker = None if once is None else once.marker(stored.key_id)
        await add(self._redis, stored, now, act_of(self._author, "key.create"), marker=marker)
        return stored.record(), key

    async def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of a key id, with its owner's policy; it may be revoked or expired."""
        return await read(self._redis, key_id)

    async def created(self, once: IdempotencyKey) -> CreatedBefore | None:
        """Return what was created with an idempotency key, or `None`."""
        return await find_created(self._redis, once)

    async def details(self, key_id: str) -> KeyDetails | None:
        """Return a key with its secrets and its version, or `None` if it does not exist."""
        stored = await read_stored_key(self._redis, key_id)
        if stored is None:
            return None
        secrets = stored.live_secrets(self._now_ms())
        uses = await self.last_uses.of_secrets([secret.digest for secret in secrets])
        live = [
            LiveSecret(secret.prefix, secret.created_at, secret.expires_at, use)
            for secret, use in zip(secrets, uses, strict=True)
        ]
        return KeyDetails(stored.record(), live, stored.version())

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
        return await read_all(self._redis, [member.decode() for member in members])

    async def get_all(self, key_ids: Sequence[str]) -> Sequence[KeyRecord]:
        """Return the records of those of the keys that exist."""
        return await read_all(self._redis, key_ids)

    async def revoke(self, key_id: str) -> KeyRecord | None:
        """Revoke a key permanently; idempotent. Returns `None` if the key does not exist."""

        def revoke(key: StoredKey) -> StoredKey:
            return key if key.revoked_at is not None else msgspec.structs.replace(key, revoked_at=self._now_ms())

        return await self._change(key_id, "key.revoke", revoke)

    async def suspend(self, key_id: str, actor: Actor) -> KeyRecord | None:
        """Suspend a key; idempotent. Returns `None` if the key does not exist."""
        return await self._change(key_id, "key.suspend", lambda key: changes.suspend(key, actor, self._now_ms()))

    async def resume(self, key_id: str, actor: Actor) -> KeyRecord | None:
        """End the suspension of a key; idempotent. Returns `None` if the key does not exist.

        Raises `changes.SuspendedByAdmin` and `changes.OwnerDisabled`.
        """
        return await self._change(key_id, "key.resume", lambda key: changes.resume(key, actor))

    async def revoke_all(self, records: Sequence[KeyRecord], condition: Callable[[KeyRecord], bool]) -> Sequence[str]:
        """Revoke those of the keys that still fulfil the condition, and return their ids."""
        now = self._now_ms()

        def revoke(key: StoredKey) -> StoredKey | None:
            if key.revoked_at is not None or not condition(key):
                return None
            return msgspec.structs.replace(key, revoked_at=now)

        return [record.key_id for record in await self._change_all(records, "key.revoke", revoke)]

    async def disable_owner(self, owner: str) -> int:
        """Suspend every key of an owner. Returns how many were active before."""
        now = self._now_ms()
        records = await self.list(owner)
        found = [record for record in records if record.owner_disabled_at is None and record.revoked_at is None]
        await self._change_all(
            found, "key.suspend", changes.if_owned(owner, lambda key: changes.disable_owner(key, now))
        )
        return sum(record.status(now) == "active" for record in found)

    async def enable_owner(self, owner: str) -> int:
        """Undo `disable_owner`; keys that were suspended otherwise stay so. Returns how many are active again."""
        found = [record for record in await self.list(owner) if record.owner_disabled_at is not None]
        await self._change_all(found, "key.resume", changes.if_owned(owner, changes.enable_owner))
        return sum(changes.enable_owner(record).status(self._now_ms()) == "active" for record in found)

    async def transfer(self, key_id: str, owner: str) -> KeyRecord | None:
        """Give a key to another owner, who exists and is not disabled.

        Returns `None` if the key does not exist or is revoked. Raises `changes.BeyondPolicy`.
        """
        policy = await self.policies.find(owner)

        def transfer(key: StoredKey) -> StoredKey | None:
            return None if key.revoked_at is not None else changes.transfer(key, owner, policy)

        return await self._change(key_id, "key.transfer", transfer)

    async def require_room(self, owner: str, records: Sequence[KeyRecord]) -> None:
        """Raise `changes.BeyondPolicy` if an owner may not have these keys in addition to the present ones."""
        policy = await self.policies.find(owner)
        if policy is None or policy.max_keys is None:
            return
        counted = [record for record in (*records, *await self.list(owner)) if record.counts(self._now_ms())]
        if len(counted) > policy.max_keys:
            raise changes.too_many_keys(msgspec.structs.replace(counted[0], owner=owner, owner_policy=policy))

    async def _change(self, key_id: str, act: str, make: Callable[[StoredKey], StoredKey | None]) -> KeyRecord | None:
        changed = await change(self._redis, key_id, make, self._now_ms(), act_of(self._author, act))
        return None if changed is None else changed.record()

    async def _change_all(
        self, records: Sequence[KeyRecord], act: str, make: Callable[[StoredKey], StoredKey | None]
    ) -> Sequence[StoredKey]:
        """Change keys, and return those that were changed."""
        changed = []
        recorded = act_of(self._author, act)
        for record in records:
            after = await change(self._redis, record.key_id, make, self._now_ms(), recorded, durable=False)
            if after is not None:
                changed.append(after)
        if changed:
            # Redis writes its log in order: once this change, which changes nothing, is on disk, the others are, too.
            await change(self._redis, changed[-1].key_id, lambda key: key, self._now_ms())
        return changed

    async def rotate(self, key_id: str, overlap_seconds: int) -> tuple[KeyRecord, ApiKey] | None:
        """Give a key a new secret; older secrets expire after `overlap_seconds`, or earlier if they already would.

        Returns `None` if the key does not exist or is revoked. Raises `InvalidField`.
        """
        if isinstance(overlap_seconds, bool) or not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise InvalidField("overlap_seconds", f"must be from 0 to {MAX_OVERLAP_SECONDS}")
        key = ApiKey.generate(self._random)
        overlap_ends_at = self._now_ms() + overlap_seconds * 1000

        def rotate(stored: StoredKey) -> StoredKey | None:
            newest = Secret(key.digest(self._pepper), prefix=key.prefix, created_at=self._now_ms())
            return None if stored.revoked_at is not None else stored.with_secret(newest, overlap_ends_at)

        rotated = await self._change(key_id, "key.rotate", rotate)
        return None if rotated is None else (rotated, key)

    async def end_overlap(self, key_id: str) -> tuple[KeyRecord, int] | None:
        """Delete all secrets but the newest, and return how many were still accepted; idempotent.

        Returns `None` if the key does not exist or is revoked.
        """
        ended = 0

        def end(stored: StoredKey) -> StoredKey | None:
            nonlocal ended
            if stored.revoked_at is not None:
                return None
            ended = len(stored.live_secrets(self._now_ms())) - 1
            return msgspec.structs.replace(stored, secrets=stored.secrets[:1])

        record = await self._change(key_id, "key.end_overlap", end)
        return None if record is None else (record, ended)

    async def update(
        self,
        key_id: str,
        actor: Actor | None = None,
        *,
        accepts_version: Callable[[str], bool] = lambda version: True,
        **fields: Any,
    ) -> UpdatedKey | None:
        """Set fields of a key; by default as its owner. Returns `None` if the key does not exist.

        Raises `InvalidField`, `changes.BeyondPolicy`, `ceilings.AboveCeiling` if the actor may not widen the key, and
        `VersionMismatch`.
        """
        valid = validate_fields(fields)

        def update(key: StoredKey) -> StoredKey:
            if not accepts_version(key.version()):
                raise VersionMismatch(key_id)
            return changes.update(key, valid, actor or Actor(key.owner, is_admin=False), self._now_ms())

        changed = await change(self._redis, key_id, update, self._now_ms(), act_of(self._author, "key.update"))
        return None if changed is None else UpdatedKey(changed.record(), changed.version())
