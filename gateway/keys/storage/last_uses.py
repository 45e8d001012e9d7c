"""Storage of the last use of keys and of their secrets in Redis.

- A key has the time of its last use; each of its secrets has that, the client and the address.
- The use of a secret is stored only while the secret is, and is deleted together with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from gateway.redis import names

MAX_CLIENT_CHARACTERS = 100
_PAGE = 500

# KEYS: the last use of keys, then for each use the digest and the use of its secret. ARGV: for each use the key id, the
# time and the stored use. A later use is never replaced by an earlier one.
_RECORD = """
for i = 2, #KEYS, 2 do
  local at = (i - 2) / 2 * 3 + 1
  local time = tonumber(ARGV[at + 1])
  local known = redis.call('HGET', KEYS[1], ARGV[at])
  if not known or tonumber(known) < time then redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
  local left = redis.call('PTTL', KEYS[i])
  if left ~= -2 then
    local use = redis.call('GET', KEYS[i + 1])
    if not use or tonumber(string.match(use, '%d+')) < time then
      redis.call('SET', KEYS[i + 1], ARGV[at + 2])
      if left >= 0 then redis.call('PEXPIRE', KEYS[i + 1], left) end
    end
  end
end
"""


class SecretUse(msgspec.Struct, frozen=True, array_like=True):
    """The last use of a secret."""

    at: int
    """Milliseconds since the epoch."""
    client: str
    """Name of the client software; may be empty."""
    address: str


class KeyUse(NamedTuple):
    """A use of a key with one of its secrets."""

    key_id: str
    at: int
    client: str
    address: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SecretUse).decode


class LastUses:
    """The last uses in Redis. Every method raises `redis.exceptions.RedisError` if Redis is unavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def of_keys(self, key_ids: Sequence[str]) -> dict[str, int]:
        """Return when keys were last used, in milliseconds since the epoch, without keys that were never used."""
        result: dict[str, int] = {}
        for start in range(0, len(key_ids), _PAGE):
            page = list(key_ids[start : start + _PAGE])
            times = await cast(Awaitable[list[bytes | None]], self._redis.hmget(names.LAST_USED, page))
            result |= {key_id: int(time) for key_id, time in zip(page, times, strict=True) if time is not None}
        return result

    async def of_secrets(self, digests: Sequence[str]) -> list[SecretUse | None]:
        """Return the last use of each secret; `None` for one that was never used."""
        if not digests:
            return []
        found = await self._redis.mget([names.SECRET_USE + digest for digest in digests])
        return [None if use is None else _decode(use) for use in found]

    async def record(self, uses: Mapping[str, KeyUse]) -> None:
        """Store uses by the digest of the secret; an earlier one never replaces a later one."""
        found = list(uses.items())
        for start in range(0, len(found), _PAGE):
            page = found[start : start + _PAGE]
            keys = [names.LAST_USED]
            arguments: list[str | int | bytes] = []
            for digest, use in page:
                keys += [names.KEY_ID_OF_DIGEST + digest, names.SECRET_USE + digest]
                client = use.client[:MAX_CLIENT_CHARACTERS]
                arguments += [use.key_id, use.at, _encode(SecretUse(use.at, client, use.address))]
            await cast(Awaitable[None], self._redis.eval(_RECORD, len(keys), *keys, *arguments))
