"""API keys as Redis holds them.

- A key's secret is never stored, only its digest; its record never leaves with a digest in it.
- Every change is one step that also publishes the key's id: who hears of a change finds it done.
- A change replaces the record that it was read from, or is made again: two changes at once both last, and none
  brings a revoked key back.
- A change is told when it is on the disk of Redis (where that can say so): no crash brings a revoked key back.
- A secret that was replaced by rotation works until its overlap ends, and no longer.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.keys.fields import InvalidField, checked_fields
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, base62
from gateway.redis import names as names
from gateway.redis.client import eval_durable, wait_for_fsync

MAX_OWNER = 254
MAX_OVERLAP_SECONDS = 30 * 86_400
_MAX_ATTEMPTS = 32
_PAGE = 500
_KEY_ID_LENGTH = 20

# Names: the record, the digests to drop, the digests to write. Arguments: the expected record, the new one, the
# channel, the key id, how many digests to drop, and for each to write its value and its end ("" for none). A script
# that is sent twice, because its answer was lost, finds its own work and is content.
_SWAP = """
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

_KEEP_LATEST = """
for i = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if not known or tonumber(known) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
"""


_Run = Callable[[Redis, str, Sequence[str], Sequence[Any]], Awaitable[Any]]


async def _eval(redis: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    return await redis.eval(script, len(keys), *keys, *arguments)


class Found(NamedTuple):
    """The record that a secret belongs to; `until` is when a replaced secret ends, else `None`."""

    record: KeyRecord
    until: int | None


class _Secret(msgspec.Struct, frozen=True, array_like=True):
    digest: str
    until: int | None = None


class _Stored(KeyRecord, frozen=True, kw_only=True, omit_defaults=True):
    secrets: tuple[_Secret, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(KeyRecord).decode
_decode_stored = msgspec.json.Decoder(_Stored).decode


class KeyStore:
    """API keys in Redis. Any method raises `redis.exceptions.RedisError` where Redis cannot answer."""

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
        """Make a key. `fields` are those of `KeyRecord` that a user may set. Raises `InvalidField`."""
        now = self._now_ms()
        fields = checked_fields({"key_name": key_name, **fields})
        if not owner or len(owner) > MAX_OWNER or not owner.isprintable():
            raise InvalidField("owner", "must be the email of a user")
        if fields.get("expires_at") is not None and fields["expires_at"] <= now:
            raise InvalidField("expires_at", "must be in the future")
        key = ApiKey.generate(self._random)
        digest = key.digest(self._pepper)
        key_id = "key_" + base62(int.from_bytes(self._random(16), "big"), _KEY_ID_LENGTH)
        stored = _Stored(
            key_id=key_id,
            key_prefix=key.prefix,
            owner=owner,
            created_at=now,
            secrets=(_Secret(digest),),
            **fields,
        )
        async with self._redis.pipeline(transaction=True) as batch:
            batch.set(names.KEY_RECORD + key_id, _encode(stored))
            batch.set(names.KEY_ID_OF_DIGEST + digest, key_id)
            batch.zadd(names.KEY_IDS, {key_id: now})
            batch.zadd(names.KEY_IDS_OF_OWNER + owner, {key_id: now})
            await batch.execute()
        # It is shown this once: no crash shall take it back.
        await wait_for_fsync(self._redis, names.FSYNC_MARKER)
        return _record(stored), key

    async def get(self, key_id: str) -> KeyRecord | None:
        """The record of a key id, whatever its status."""
        raw = await self._redis.get(names.KEY_RECORD + key_id)
        return None if raw is None else _decode_record(raw)

    async def find(self, key: ApiKey) -> KeyRecord | None:
        """The record that a secret belongs to, whatever its status; `None` for an unknown or replaced one."""
        found = await self.find_digest(self.digest(key))
        return None if found is None else found.record

    def digest(self, key: ApiKey) -> str:
        """The digest under which the key's secret is known here."""
        return key.digest(self._pepper)

    async def find_digest(self, digest: str) -> Found | None:
        """Like `find`, by the secret's digest, and with the end of a replaced secret."""
        pointer = cast(bytes | None, await self._redis.get(names.KEY_ID_OF_DIGEST + digest))
        if pointer is None:
            return None
        key_id, _, end = pointer.decode().partition(" ")
        until = int(end) if end else None
        if until is not None and until <= self._now_ms():
            return None
        record = await self.get(key_id)
        return None if record is None else Found(record, until)

    async def list(self, owner: str | None) -> list[KeyRecord]:
        """All keys of an owner, or of everybody for `None`; newest first."""
        index = names.KEY_IDS if owner is None else names.KEY_IDS_OF_OWNER + owner
        members = cast(list[bytes], await self._redis.zrange(index, 0, -1, desc=True))
        key_ids = [member.decode() for member in members]
        records: list[KeyRecord] = []
        for start in range(0, len(key_ids), _PAGE):
            page = key_ids[start : start + _PAGE]
            found = await self._redis.mget([names.KEY_RECORD + key_id for key_id in page])
            records += (_decode_record(raw) for raw in found if raw is not None)
        return records

    async def revoke(self, key_id: str) -> KeyRecord | None:
        """Revoke a key for ever; again is fine. `None` where there is no such key."""
        return await self._revoke(key_id, eval_durable)

    async def _revoke(self, key_id: str, run: _Run) -> KeyRecord | None:
        def revoked(stored: _Stored) -> _Stored:
            if stored.revoked_at is not None:
                return stored
            return msgspec.structs.replace(stored, revoked_at=self._now_ms())

        stored = await self._change(key_id, revoked, run)
        return None if stored is None else _record(stored)

    async def revoke_all(self, owner: str) -> int:
        """Revoke every key of an owner; returns how many were not revoked before."""
        standing = [record for record in await self.list(owner) if record.revoked_at is None]
        for record in standing:
            # The disk has the others when it has the last.
            await self._revoke(record.key_id, eval_durable if record is standing[-1] else _eval)
        return len(standing)

    async def rotate(self, key_id: str, overlap_seconds: int) -> tuple[KeyRecord, ApiKey] | None:
        """Give a key a new secret; older ones end after `overlap_seconds`, or when they would have before.

        `None` where there is no such key or it is revoked. Raises `InvalidField`.
        """
        if isinstance(overlap_seconds, bool) or not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            raise InvalidField("overlap_seconds", f"must be from 0 to {MAX_OVERLAP_SECONDS}")
        key = ApiKey.generate(self._random)
        digest = key.digest(self._pepper)
        end = self._now_ms() + overlap_seconds * 1000

        def rotated(stored: _Stored) -> _Stored | None:
            if stored.revoked_at is not None:
                return None
            older = (_Secret(s.digest, end if s.until is None else min(s.until, end)) for s in stored.secrets)
            living = tuple(secret for secret in older if cast(int, secret.until) > self._now_ms())
            return msgspec.structs.replace(stored, key_prefix=key.prefix, secrets=(_Secret(digest), *living))

        stored = await self._change(key_id, rotated)
        return None if stored is None else (_record(stored), key)

    async def update(self, key_id: str, **changes: Any) -> KeyRecord | None:
        """Set fields of a key. `None` where there is no such key. Raises `InvalidField`."""
        fields = checked_fields(changes)
        stored = await self._change(key_id, lambda before: msgspec.structs.replace(before, **fields))
        return None if stored is None else _record(stored)

    async def last_used(self, key_ids: Sequence[str]) -> dict[str, int]:
        """When keys were last used, in milliseconds since the epoch; a key that never was is left out."""
        result: dict[str, int] = {}
        for start in range(0, len(key_ids), _PAGE):
            page = list(key_ids[start : start + _PAGE])
            times = await cast(Awaitable[list[bytes | None]], self._redis.hmget(names.LAST_USED, page))
            result |= {key_id: int(time) for key_id, time in zip(page, times, strict=True) if time is not None}
        return result

    async def record_uses(self, uses: Mapping[str, int]) -> None:
        """Note when keys were used; an earlier time never replaces a later one."""
        pairs = list(uses.items())
        for start in range(0, len(pairs), _PAGE):
            flat = [str(part) for pair in pairs[start : start + _PAGE] for part in pair]
            await cast(Awaitable[None], self._redis.eval(_KEEP_LATEST, 1, names.LAST_USED, *flat))

    async def _change(
        self, key_id: str, change: Callable[[_Stored], _Stored | None], run: _Run = eval_durable
    ) -> _Stored | None:
        """Apply `change` to the record as it stands; it may run several times. `None` changes nothing."""
        for _ in range(_MAX_ATTEMPTS):
            expected = cast(bytes | None, await self._redis.get(names.KEY_RECORD + key_id))
            before = None if expected is None else _decode_stored(expected)
            after = None if before is None else change(before)
            if expected is None or before is None or after is None:
                return None
            if await self._swap(expected, before, after, run):
                return after
        raise RedisError(f"the key {key_id} is being changed too often")

    async def _swap(self, expected: bytes, before: _Stored, after: _Stored, run: _Run) -> bool:
        """Replace the record if it is still the expected one."""
        kept = {secret.digest for secret in after.secrets}
        dropped = [names.KEY_ID_OF_DIGEST + secret.digest for secret in before.secrets if secret.digest not in kept]
        changed = [secret for secret in after.secrets if secret not in before.secrets]
        ends = [part for secret in changed for part in (_pointer(after.key_id, secret), secret.until or "")]
        keys = [
            names.KEY_RECORD + after.key_id,
            *dropped,
            *(names.KEY_ID_OF_DIGEST + secret.digest for secret in changed),
        ]
        arguments = (expected, _encode(after), names.INVALIDATIONS, after.key_id, len(dropped), *ends)
        return bool(await run(self._redis, _SWAP, keys, arguments))


def _pointer(key_id: str, secret: _Secret) -> str:
    """What stands under a digest: the key id, and where the secret was replaced, when it ends."""
    return key_id if secret.until is None else f"{key_id} {secret.until}"


def _record(stored: _Stored) -> KeyRecord:
    """The part that may be shown."""
    return KeyRecord(**{name: getattr(stored, name) for name in KeyRecord.__struct_fields__})
