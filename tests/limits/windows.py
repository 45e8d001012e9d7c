"""Moves the stored windows of a minute into the past, as if time had passed."""

from __future__ import annotations

from redis.asyncio import Redis

from gateway.keys.limits import BUCKET_SECONDS
from gateway.redis import names

_MOVE = """
for _, key in ipairs(KEYS) do
  local buckets = redis.call('HGETALL', key)
  redis.call('DEL', key)
  for i = 1, #buckets, 2 do redis.call('HSET', key, tonumber(buckets[i]) - ARGV[1], buckets[i + 1]) end
end
"""


async def let_pass(redis: Redis, seconds: int) -> None:
    """Make all admitted requests older by `seconds`, a multiple of `BUCKET_SECONDS`, also while others are admitted."""
    assert seconds % BUCKET_SECONDS == 0
    windows = [
        name for prefix in (names.RATE_WINDOW, names.TOOL_RATE_WINDOW) for name in await redis.keys(prefix + "*")
    ]
    await redis.eval(_MOVE, len(windows), *windows, seconds // BUCKET_SECONDS)
