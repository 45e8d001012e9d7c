"""Storage of API keys in Redis.

- The secret of a key is never stored, only its digest; digests are in no record that is returned.
- Each change is one script that also publishes the key id, so a subscriber that receives the id reads the new record.
- Each change is a compare-and-set on the stored record and is retried on conflict: concurrent changes are all kept,
  and none reverts a revocation.
- A change waits until Redis has it on disk, so that a crash of Redis cannot undo a revocation. The wait is bounded:
  after `durable_writes.FSYNC_TIMEOUT_MS`, and where Redis cannot report it, the change returns in any case.
- A secret that rotation replaced works until its overlap ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, base62
from gateway.keys.validation import InvalidField, validate_fields
from gateway.redis import names
from gateway.redis.durable_writes import eval_durable, wait_for_fsync

MAX_OWNER_LENGTH = 254
MAX_OVERLAP_SECONDS = 30 * 86_400
_MAX_ATTEMPTS = 32
_PAGE = 500
_KEY_ID_LENGTH = 20

# KEYS: the record, the digests to delete, the digests to set. ARGV: the expected record, the new record, the channel,
# the key id, the number of digests to delete, then for each digest to set its value and its expiry ("" for none).
# Idempotent: a script that is sent twice because its reply was lost finds the new record and succeeds.
_COMPARE_AND_SET = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[2] then
  if stored ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[2])
  local drops = tonumber(ARGV[5])
  for i = 2, 1 + drops do redis.call('DEL', KEYS[i]) end
  for i = 2 + drops, #KEYS do
    local at = 6 + 2 * (i - 2 - drops)
    redis.call('SET', KEYS[i], ARGV[at])
    if ARGV[at + 1] ~= '' then redis.call('PEXPIREAT', KEYS[i], ARGV[at + 1]) end
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""

_SET_IF_LATER = """
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
"""


_Eval = Callable[[Redis, str, Sequence[str], Sequence[Any]], Awaitable[Any]]


async def _eval(redis: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    return await redis.eval(script, len(keys), *keys, *arguments)


class KeyLookup(NamedTuple):
    """The record that a secret belongs to, and the end of its overlap if the secret was replaced."""

    record: KeyRecord
    secret_expires_at: int | None


class _Secret(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    expires_at: int | None = None


class _StoredKey(KeyRecord, frozen=True, kw_only=True, omit_defaults=True):
    secrets: tuple[_Secret, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(KeyRecord).decode
_decode_stored_key = msgspec.json.Decoder(_StoredKey).decode


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

    async def create(self, *, owner: str, key_name: str, **fields: Any) -> tuple[KeyRecord, ApiKey]:
        """Create a key. `fields` are the fields of `KeyRecord` that a user may set. Raises `InvalidField`."""
        now = self._now_ms()
        fields = validate_fields({"key_name": key_name, **fields})
        if not owner or len(owner) > MAX_OWNER_LENGTH or not owner.isprintable():
            raise InvalidField("owner", "must be the email of a user")
        if fields.get("expires_at") is not None and fields["expires_at"] <= now:
            raise InvalidField("expires_at", "must be in the future")
        key = ApiKey.generate(self._random)
        digest = key.digest(self._pepper)
        key_id = "key_" + base62(int.from_bytes(self._random(16), "big"), _KEY_ID_LENGTH)
        stored = _StoredKey(
            key_id=key_id,
            key_prefix=key.prefix,
            owner=owner,
            created_at=now,
            secrets=(_Secret(digest),),
            **fields,
        )
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(names.KEY_RECORD + key_id, _encode(stored))
            pipe.set(names.KEY_ID_OF_DIGEST + digest, key_id)
            pipe.zadd(names.KEY_IDS, {key_id: now})
            pipe.zadd(names.KEY_IDS_OF_OWNER + owner, {key_id: now})
            await pipe.execute()
        # The key is shown only once: a crash of Redis must not lose it.
        await wait_for_fsync(self._redis, names.FSYNC_MARKER)
        return _record(stored), key

    async def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of a key id; it may be revoked or expired."""
        raw = await self._redis.get(names.KEY_RECORD + key_id)
        return None if raw is None else _decode_record(raw)

    def digest(self, key: ApiKey) -> str:
        """Return the digest under which the secret is stored."""
        return key.digest(self._pepper)

    async def find_by_digest(self, digest: str) -> KeyLookup | None:
        """Find the record of a secret; it may be revoked or expired. `None` for an unknown or replaced secret."""
        value = cast(bytes | None, await self._redis.get(names.KEY_ID_OF_DIGEST + digest))
        if value is None:
            return None
        key_id, _, expiry = value.decode().partition(" ")
        expires_at = int(expiry) if expiry else None
        if expires_at is not None and expires_at <= self._now_ms():
            return None
        record = await self.get(key_id)
        return None if record is None else KeyLookup(record, expires_at)

    async def list(self, owner: str | None) -> list[KeyRecord]:
        """Return all keys of an owner, or of all owners for `None`; newest first."""
        index = names.KEY_IDS if owner is None else names.KEY_IDS_OF_OWNER + owner
        members = cast(list[bytes], await self._redis.zrange(index, 0, -1, desc=True))
        key_ids = [member.decode() for member in members]
        records: list[KeyRecord] = []
        for start in range(0, len(key_ids), _PAGE):
            page = key_ids[start : start + _PAGE]
            values = await self._redis.mget([names.KEY_RECORD + key_id for key_id in page])
            records += (_decode_record(raw) for raw in values if raw is not None)
        return records

    async def revoke(self, key_id: str) -> KeyRecord | None:
        """Revoke a key permanently; idempotent. Returns `None` if the key does not exist."""
        return await self._revoke(key_id, eval_durable)

    async def _revoke(self, key_id: str, run_script: _Eval) -> KeyRecord | None:
        def revoke(stored: _StoredKey) -> _StoredKey:
            if stored.revoked_at is not None:
                return stored
            return msgspec.structs.replace(stored, revoked_at=self._now_ms())

        stored = await self._change(key_id, revoke, run_script)
        return None if stored is None else _record(stored)

    async def revoke_all(self, owner: str) -> int:
        """Revoke every key of an owner. Returns how many were not revoked before."""
        active = [record for record in await self.list(owner) if record.revoked_at is None]
        for record in active:
            # Redis writes its log in order: once the last change is on disk, the others are, too.
            await self._revoke(record.key_id, eval_durable if record is active[-1] else _eval)
        return len(active)

    async def rotate(self, key_id: str, overlap_seconds: int) -> tuple[KeyRecord, ApiKey] | None:
        """Give a key a new secret; older secrets expire after `overlap_seconds`, or earlier if they already would.

        Returns `None` if the key does not exist or is revoked. Raises `InvalidField`.
        """
        if isinstance(overlap_seconds, bool) or not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise InvalidField("overlap_seconds", f"must be from 0 to {MAX_OVERLAP_SECONDS}")
        key = ApiKey.generate(self._random)
        digest = key.digest(self._pepper)
        overlap_ends_at = self._now_ms() + overlap_seconds * 1000

        def rotate(stored: _StoredKey) -> _StoredKey | None:
            if stored.revoked_at is not None:
                return None
            ends = [
                overlap_ends_at if secret.expires_at is None else min(secret.expires_at, overlap_ends_at)
                for secret in stored.secrets
            ]
            now = self._now_ms()
            older = (_Secret(secret.digest, end) for secret, end in zip(stored.secrets, ends, strict=True) if end > now)
            return msgspec.structs.replace(stored, key_prefix=key.prefix, secrets=(_Secret(digest), *older))

        stored = await self._change(key_id, rotate)
        return None if stored is None else (_record(stored), key)

    async def update(self, key_id: str, **changes: Any) -> KeyRecord | None:
        """Set fields of a key. Returns `None` if the key does not exist. Raises `InvalidField`."""
        fields = validate_fields(changes)
        stored = await self._change(key_id, lambda before: msgspec.structs.replace(before, **fields))
        return None if stored is None else _record(stored)

    async def last_used(self, key_ids: Sequence[str]) -> dict[str, int]:
        """Return when keys were last used, in milliseconds since the epoch, without keys that were never used."""
        result: dict[str, int] = {}
        for start in range(0, len(key_ids), _PAGE):
            page = list(key_ids[start : start + _PAGE])
            times = await cast(Awaitable[list[bytes | None]], self._redis.hmget(names.LAST_USED, page))
            result |= {key_id: int(time) for key_id, time in zip(page, times, strict=True) if time is not None}
        return result

    async def record_last_used(self, uses: Mapping[str, int]) -> None:
        """Store when keys were used; an earlier time never replaces a later one."""
        pairs = list(uses.items())
        for start in range(0, len(pairs), _PAGE):
            flat = [str(part) for pair in pairs[start : start + _PAGE] for part in pair]
            await cast(Awaitable[None], self._redis.eval(_SET_IF_LATER, 1, names.LAST_USED, *flat))

    async def _change(
        self, key_id: str, change: Callable[[_StoredKey], _StoredKey | None], run_script: _Eval = eval_durable
    ) -> _StoredKey | None:
        """Apply `change` to the stored record, several times on conflict. If it returns `None`, nothing changes."""
        for _ in range(_MAX_ATTEMPTS):
            expected = cast(bytes | None, await self._redis.get(names.KEY_RECORD + key_id))
            before = None if expected is None else _decode_stored_key(expected)
            after = None if before is None else change(before)
            if expected is None or before is None or after is None:
                return None
            if await self._compare_and_set(expected, before, after, run_script):
                return after
        raise RedisError(f"the key {key_id} was changed concurrently {_MAX_ATTEMPTS} times; try again")

    async def _compare_and_set(self, expected: bytes, before: _StoredKey, after: _StoredKey, run_script: _Eval) -> bool:
        """Replace the record if it is still the expected one, and update the digests of its secrets."""
        remaining = {secret.digest for secret in after.secrets}
        deleted = [secret.digest for secret in before.secrets if secret.digest not in remaining]
        changed = [secret for secret in after.secrets if secret not in before.secrets]
        keys = [
            names.KEY_RECORD + after.key_id,
            *(names.KEY_ID_OF_DIGEST + digest for digest in deleted),
            *(names.KEY_ID_OF_DIGEST + secret.digest for secret in changed),
        ]
        values = [part for secret in changed for part in (_digest_value(after.key_id, secret), secret.expires_at or "")]
        arguments = (expected, _encode(after), names.INVALIDATIONS, after.key_id, len(deleted), *values)
        return bool(await run_script(self._redis, _COMPARE_AND_SET, keys, arguments))


def _digest_value(key_id: str, secret: _Secret) -> str:
    """Return the value of a digest: the key id and, for a replaced secret, its expiry."""
    return key_id if secret.expires_at is None else f"{key_id} {secret.expires_at}"


def _record(stored: _StoredKey) -> KeyRecord:
    """Return the record without its digests."""
    return KeyRecord(**{name: getattr(stored, name) for name in KeyRecord.__struct_fields__})
