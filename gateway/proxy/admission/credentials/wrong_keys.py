"""Limits how many wrong API keys a source may try.

The rules:

- A source is an IPv4 address or an IPv6 network of 64 bits, since a client can choose the rest of the address.
- At most `MAX_PER_MINUTE` wrong keys are answered in any minute, and `MAX_PER_SLOT` in a burst; further ones are not
  counted. Good keys are never affected.
- Sources are counted in Redis, for all workers and replicas, in slots of `SLOT_SECONDS`. The number of sources in a
  slot is bounded; beyond, further sources are not limited. A worker remembers those that have to wait.
- If Redis is unavailable, wrong keys are not limited.
"""

from __future__ import annotations

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.protocol.errors import DENIED
from gateway.protocol.forwarded import source_of
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.clock import Clock
from gateway.redis import names as redis_names

WRONG_KEY_REASONS = frozenset({"unknown", "malformed"})
"""Reasons of a bad key that no owner has or had, as somebody would send who guesses."""

log = logging.getLogger(__name__)

MAX_PER_MINUTE = 100
MAX_PER_SLOT = 50
SLOT_SECONDS = 10
MAX_SOURCES = 20_000
"""Sources that Redis counts in a slot, and that a worker remembers."""
_SLOTS = 60 // SLOT_SECONDS + 1
"""Slots that cover any minute, the current one included."""

# KEYS: the counts of sources in the current slot and the ones before it. ARGV: the source, the maximum in a minute, the
# maximum in a slot, the maximum of sources, the seconds for which a slot is kept. Counts a wrong key and returns 0, or
# returns the number of slots after which the source may go on.
_COUNT = """
local counts, total = {}, 0
for i, slot in ipairs(KEYS) do
  counts[i] = tonumber(redis.call('HGET', slot, ARGV[1]) or '0')
  total = total + counts[i]
end
local oldest = #KEYS
while total >= tonumber(ARGV[2]) do
  total = total - counts[oldest]
  oldest = oldest - 1
end
if oldest < #KEYS then return #KEYS - oldest end
if counts[1] >= tonumber(ARGV[3]) then return 1 end
if counts[1] > 0 or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 0
"""


class WrongKeys:
    """Counts wrong API keys by source."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._clock = clock
        self._count = redis.register_script(_COUNT)
        self._waiting: dict[str, float] = {}
        """Sources that have to wait, oldest first, with the monotonic times until which they do."""

    async def throttled(self, deny: Deny, address: str) -> Deny:
        """Return the rejection of a bad key, or 429 if the key is wrong and its source has to wait."""
        seconds = await self._count_one(address) if deny.reason in WRONG_KEY_REASONS else 0
        if not seconds:
            return deny
        return Deny(
            status=429,
            code=DENIED,
            message="Too many wrong API keys were sent from this address",
            reason="wrong_keys",
            retry_after=seconds,
        )

    async def _count_one(self, address: str) -> int:
        """Count a wrong key; return 0, or the seconds that its source has to wait."""
        source = source_of(address)
        left = self._waiting.get(source, 0.0) - self._clock.monotonic()
        if left > 0:
            return int(left) + 1
        slot, elapsed_ms = divmod(self._clock.now_ms(), SLOT_SECONDS * 1000)
        names = [f"{redis_names.WRONG_KEYS}{slot - age}" for age in range(_SLOTS)]
        try:
            slots = int(
                await self._count(names, [source, MAX_PER_MINUTE, MAX_PER_SLOT, MAX_SOURCES, _SLOTS * SLOT_SECONDS])
            )
        except RedisError:
            return 0
        if not slots:
            self._waiting.pop(source, None)
            return 0
        return self._make_wait(source, slots * SLOT_SECONDS - elapsed_ms / 1000)

    def _make_wait(self, source: str, seconds: float) -> int:
        self._waiting.pop(source, None)
        self._waiting[source] = self._clock.monotonic() + seconds
        if len(self._waiting) > MAX_SOURCES:
            del self._waiting[next(iter(self._waiting))]
        log.warning("too many wrong API keys from %s: it has to wait %d s", source or "an unknown address", seconds + 1)
        return int(seconds) + 1
