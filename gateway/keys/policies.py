"""Storage of owners' policies in Redis.

- A change is a compare-and-set that also publishes the owner: concurrent changes are all kept, and every worker drops
  the keys of the owner that it has cached.
- A change waits until Redis has it on disk, as changes of keys do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from gateway.audit.author import ADD_ENTRY_LUA, Author, act_of, packed_change
from gateway.audit.entry import changed_fields, described
from gateway.keys.record import KeyDefaults, OwnerPolicy
from gateway.keys.validation import validate_policy
from gateway.redis import names
from gateway.redis.durable_writes import eval_durable
from gateway.timestamps import now_ms

# KEYS: the policy, the usage stream. ARGV: the expected policy, the new one (both "" for none), the channel, the
# message, the audit entry of the change ("" for none). Idempotent.
_COMPARE_AND_SET = (
    ADD_ENTRY_LUA
    + """
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[2] then
  if stored ~= ARGV[1] then return 0 end
  add_audit_entry(KEYS[2], ARGV[5])
  if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""
)

decode_policy = msgspec.json.Decoder(OwnerPolicy).decode


class PolicyStore:
    """The policies of owners. Every method raises `redis.exceptions.RedisError` if Redis is unavailable."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int] = now_ms, author: Author | None = None) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._author = author

    def by(self, author: Author) -> PolicyStore:
        """Return the same store for an author, whose changes are recorded in the audit log."""
        return PolicyStore(self._redis, now_ms=self._now_ms, author=author)

    async def get(self, owner: str) -> OwnerPolicy:
        """Return the policy of an owner; one without restrictions if none is stored."""
        return await self.find(owner) or OwnerPolicy()

    async def find(self, owner: str) -> OwnerPolicy | None:
        """Return the policy of an owner; `None` if none is stored."""
        stored = await self._stored(owner)
        return decode_policy(stored) if stored else None

    async def get_all(self, owners: list[str]) -> list[OwnerPolicy]:
        """Return the policies of owners, in the same order."""
        policies = [names.OWNER_POLICY + owner for owner in owners]
        stored = cast(list[bytes | None], await self._redis.mget(policies)) if owners else []
        return [_decode(policy or b"") for policy in stored]

    async def update(self, owner: str, fields: Mapping[str, Any]) -> OwnerPolicy:
        """Set fields of a policy; `None` clears one, and `defaults` is merged by field, too. Raises `InvalidField`."""
        valid = validate_policy(fields)
        while True:
            stored = await self._stored(owner)
            policy = merged(_decode(stored), valid)
            if await self._compare_and_set(owner, stored, encode_policy(policy)):
                return policy

    async def delete(self, owner: str) -> None:
        """Delete a policy; idempotent."""
        while not await self._compare_and_set(owner, await self._stored(owner), b""):
            pass

    async def _stored(self, owner: str) -> bytes:
        return cast(bytes | None, await self._redis.get(names.OWNER_POLICY + owner)) or b""

    async def _compare_and_set(self, owner: str, expected: bytes, policy: bytes) -> bool:
        act = act_of(self._author, "user.update")
        before, after = changed_fields(described(_decode(expected)), described(_decode(policy)))
        entry = packed_change(act, owner, {"policy": before}, {"policy": after}, self._now_ms())
        arguments = (expected, policy, names.INVALIDATIONS, names.POLICY_CHANGES + owner, entry)
        keys = [names.OWNER_POLICY + owner, names.USAGE]
        return bool(await eval_durable(self._redis, _COMPARE_AND_SET, keys, arguments))


def merged(policy: OwnerPolicy, fields: Mapping[str, Any]) -> OwnerPolicy:
    """Return the policy with validated fields; the fields of `defaults` are merged into its defaults."""
    fields = dict(fields)
    if "defaults" in fields:
        values = fields["defaults"]
        defaults = KeyDefaults() if values is None else msgspec.structs.replace(policy.defaults, **values)
        # msgspec omits a default value only if it is the same object.
        fields["defaults"] = defaults if defaults != KeyDefaults() else OwnerPolicy().defaults
    return msgspec.structs.replace(policy, **fields)


def encode_policy(policy: OwnerPolicy) -> bytes:
    """Return the stored form of a policy; empty for one without restrictions."""
    return b"" if policy == OwnerPolicy() else msgspec.json.encode(policy)


def _decode(stored: bytes) -> OwnerPolicy:
    return decode_policy(stored) if stored else OwnerPolicy()
