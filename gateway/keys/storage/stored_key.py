"""The stored form of a key, its lookup with the policy of its owner, and its change by compare-and-set.

- A lookup takes one round trip. The policy is not stored with the key.
- Each change is one script that also publishes the key id, so a subscriber that receives the id reads the new record.
- A change is retried on conflict: concurrent changes are all kept, and none reverts a revocation.
- The living keys of an owner are counted by the script that adds one, so that concurrent changes cannot exceed
  `max_keys`. They are in a sorted set, which the first count fills and all later changes keep up to date.
- A marker of a creation is stored by the script that stores the key, so that both exist or neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.audit.author import Act, packed_change
from gateway.audit.entry import described
from gateway.keys.changes import Key, too_many_keys
from gateway.keys.policies import decode_policy
from gateway.keys.record import KeyRecord
from gateway.keys.storage.change_script import COMPARE_AND_SET, MARKER_EXISTS, TOO_MANY_KEYS
from gateway.redis import names
from gateway.redis.durable_writes import eval_durable

_MAX_ATTEMPTS = 32
_PAGE = 500
_VERSION_LENGTH = 32
_NAMES_OF_DIGEST = (names.KEY_ID_OF_DIGEST, names.SECRET_USE)

# The scripts of lookups name keys that KEYS does not contain. A Cluster allows that, because all names share one slot.
# ARGV: the prefixes of policies and records. They return nil or the record, the policy (nil for none) and the rest.
_JOIN = """
local record = redis.call('GET', record_name)
if not record then return false end
local policy = redis.call('GET', ARGV[1] .. cjson.decode(record).owner)
"""
_GET = f"local record_name = KEYS[1] {_JOIN} return {{record, policy}}"
_GET_BY_DIGEST = f"""
local value = redis.call('GET', KEYS[1])
if not value then return false end
local record_name = ARGV[2] .. string.match(value, '^%S+')
{_JOIN}
return {{record, policy, value}}
"""


class Secret(msgspec.Struct, frozen=True, array_like=True):
    """The digest of a secret and, once rotation has replaced it, the end of its overlap."""

    digest: str
    expires_at: int | None = None
    prefix: str | None = None
    """`None` in records of versions that stored neither this nor `created_at`."""
    created_at: int | None = None


class StoredKey(KeyRecord, frozen=True, kw_only=True, omit_defaults=True):
    """The record with the digests of its secrets, newest first."""

    secrets: tuple[Secret, ...] = ()

    def record(self) -> KeyRecord:
        """Return the record without its digests."""
        return KeyRecord(**{name: getattr(self, name) for name in KeyRecord.__struct_fields__})

    def audit_fields(self) -> dict[str, Any]:
        """Return the fields for the audit log: the record, and its secrets without their digests."""
        secrets = [described(secret, without={"digest"}) for secret in self.secrets]
        return {**described(self, without={"owner_policy", "secrets"}), "secrets": secrets}

    def with_secret(self, newest: Secret, overlap_ends_at: int) -> StoredKey:
        """Return the key with a new secret; older ones expire at the end of the overlap, or earlier as before."""
        ends = [
            overlap_ends_at if secret.expires_at is None else min(secret.expires_at, overlap_ends_at)
            for secret in self.secrets
        ]
        older = (
            msgspec.structs.replace(secret, expires_at=end)
            for secret, end in zip(self.secrets, ends, strict=True)
            if newest.created_at is not None and end > newest.created_at
        )
        return msgspec.structs.replace(self, key_prefix=newest.prefix, secrets=(newest, *older))

    def version(self) -> str:
        """Return a text that changes with every change of the key, its secrets included."""
        stored = _encode(msgspec.structs.replace(self, owner_policy=None))
        return hashlib.sha256(stored).hexdigest()[:_VERSION_LENGTH]

    def live_secrets(self, now_ms: int) -> list[Secret]:
        """Return the secrets that are accepted while the key is active, newest first."""
        if self.revoked_at is not None:
            return []
        return [
            # The key has the prefix of its newest secret, also in records of versions that stored none with secrets.
            msgspec.structs.replace(secret, prefix=self.key_prefix) if secret.expires_at is None else secret
            for secret in self.secrets
            if secret.expires_at is None or secret.expires_at > now_ms
        ]


_encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(KeyRecord).decode
_decode_stored_key = msgspec.json.Decoder(StoredKey).decode


async def read(redis: Redis, key_id: str) -> KeyRecord | None:
    """Return the record of a key id, with the policy of its owner."""
    found = await _eval(redis, _GET, [names.KEY_RECORD + key_id], [names.OWNER_POLICY])
    return None if found is None else _joined(decode_record(found[0]), found[1])


async def read_all(redis: Redis, key_ids: Sequence[str]) -> list[KeyRecord]:
    """Return the records of those of the keys that exist, without the policies of their owners."""
    records: list[KeyRecord] = []
    for start in range(0, len(key_ids), _PAGE):
        values = await redis.mget([names.KEY_RECORD + key_id for key_id in key_ids[start : start + _PAGE]])
        records += (decode_record(raw) for raw in values if raw is not None)
    return records


async def read_by_digest(redis: Redis, digest: str) -> tuple[KeyRecord, int | None] | None:
    """Return the record of a secret, with the policy of its owner, and the end of the secret's overlap."""
    keys, prefixes = [names.KEY_ID_OF_DIGEST + digest], [names.OWNER_POLICY, names.KEY_RECORD]
    found = await _eval(redis, _GET_BY_DIGEST, keys, prefixes)
    if found is None:
        return None
    record, policy, value = found
    _, _, end = value.partition(b" ")
    return _joined(decode_record(record), policy), int(end) if end else None


def _joined(record: Key, policy: bytes | None) -> Key:
    return record if policy is None else msgspec.structs.replace(record, owner_policy=decode_policy(policy))


async def read_stored_key(redis: Redis, key_id: str) -> StoredKey | None:
    """Return the stored key with the policy of its owner, or `None` if it does not exist."""
    found = await _eval(redis, _GET, [names.KEY_RECORD + key_id], [names.OWNER_POLICY])
    return None if found is None else _joined(_decode_stored_key(found[0]), found[1])


class Marker(NamedTuple):
    """Remembers the creation of a key for some time."""

    name: str
    """A Redis key."""
    value: bytes
    lifetime_ms: int


class MarkerExists(Exception):
    """Another creation with the same marker has stored its key."""


async def add(
    redis: Redis, key: StoredKey, now_ms: int, act: Act | None = None, *, marker: Marker | None = None
) -> None:
    """Store a new key, and return once Redis has it on disk. Raises `BeyondPolicy` and `MarkerExists`."""
    await _compare_and_set(redis, None, key, now_ms, act, durable=True, marker=marker)


async def change(
    redis: Redis,
    key_id: str,
    make: Callable[[StoredKey], StoredKey | None],
    now_ms: int,
    act: Act | None = None,
    *,
    durable: bool = True,
) -> StoredKey | None:
    """Apply `make` to the stored key with its owner's policy, several times on conflict.

    If it returns `None`, nothing changes. A durable change returns once Redis has it on disk. Raises `BeyondPolicy` if
    the owner would have too many keys.
    """
    for _ in range(_MAX_ATTEMPTS):
        found = await _eval(redis, _GET, [names.KEY_RECORD + key_id], [names.OWNER_POLICY])
        before = None if found is None else _joined(_decode_stored_key(found[0]), found[1])
        after = None if before is None else make(before)
        if before is None or after is None:
            return None
        if await _compare_and_set(redis, _Stored(found[0], before), after, now_ms, act, durable=durable):
            return after
    raise RedisError(f"the key {key_id} was changed concurrently {_MAX_ATTEMPTS} times; try again")


class _Stored(NamedTuple):
    """A stored key in both forms."""

    record: bytes
    key: StoredKey


async def _compare_and_set(
    redis: Redis,
    before: _Stored | None,
    after: StoredKey,
    now_ms: int,
    act: Act | None,
    *,
    durable: bool,
    marker: Marker | None = None,
) -> bool:
    keys, arguments = _script_arguments(before, after, now_ms, marker)
    fields_before = {} if before is None else before.key.audit_fields()
    entry = packed_change(act, after.key_id, fields_before, after.audit_fields(), now_ms)
    script = eval_durable if durable else _eval
    result = await script(redis, COMPARE_AND_SET, keys, [*arguments, names.USAGE, entry])
    if result == MARKER_EXISTS:
        raise MarkerExists
    if result == TOO_MANY_KEYS:
        raise too_many_keys(after)
    return bool(result)


def _script_arguments(
    before: _Stored | None, after: StoredKey, now_ms: int, marker: Marker | None
) -> tuple[list[str], list[Any]]:
    earlier = () if before is None else before.key.secrets
    remaining = {secret.digest for secret in after.secrets}
    deleted = [secret.digest for secret in earlier if secret.digest not in remaining]
    changed = [secret for secret in after.secrets if secret not in earlier]
    owners = (after.owner if before is None else before.key.owner, after.owner)
    keys = [
        names.KEY_RECORD + after.key_id,
        names.KEY_IDS,
        *(names.KEY_IDS_OF_OWNER + owner for owner in owners),
        *(names.LIVING_KEYS_OF_OWNER + owner for owner in owners),
        names.CREATION if marker is None else marker.name,
        *(prefix + digest for digest in deleted for prefix in _NAMES_OF_DIGEST),
        *(prefix + secret.digest for secret in changed for prefix in _NAMES_OF_DIGEST),
    ]
    arguments = [
        b"" if before is None else before.record,
        _encode(msgspec.structs.replace(after, owner_policy=None)),
        names.INVALIDATIONS,
        after.key_id,
        after.created_at,
        _keys_allowed(before, after, now_ms),
        now_ms,
        names.KEY_RECORD,
        "" if after.revoked_at is not None else "+inf" if after.expires_at is None else after.expires_at,
        *(("", "") if marker is None else (marker.value, marker.lifetime_ms)),
        len(deleted),
        *(part for secret in changed for part in (_digest_value(after.key_id, secret), secret.expires_at or "")),
    ]
    return keys, arguments


def _keys_allowed(before: _Stored | None, after: StoredKey, now_ms: int) -> int | str:
    """Return the keys that the owner may have, if the change adds one that counts; otherwise `""`."""
    is_counted = after.counts(now_ms)
    was_counted = before is not None and before.key.owner == after.owner and before.key.counts(now_ms)
    if not is_counted or was_counted or after.owner_policy is None or after.owner_policy.max_keys is None:
        return ""
    return after.owner_policy.max_keys


def _digest_value(key_id: str, secret: Secret) -> str:
    """Return the value of a digest: the key id and, for a replaced secret, its expiry."""
    return key_id if secret.expires_at is None else f"{key_id} {secret.expires_at}"


async def _eval(redis: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    return await redis.eval(script, len(keys), *keys, *arguments)
