"""The usage stream as the writer reads it: taking batches, and acknowledging them.

The rule that makes delivery exact: **the pending set of a consumer is its batch**. Reading entries makes them pending;
the batch is everything that is pending, read with one command; nothing more becomes pending until the whole batch is
acknowledged. So after a crash, or after a lost reply, the pending set is exactly the batch that may have been inserted,
and its token, a hash of its entry ids, is the same. One script checks the lease and makes entries pending: a writer
that has lost the lease without noticing cannot extend the pending set of its successor. The pending sets of other
consumers are taken over in the same way, each as a separate batch.

The rule needs a Redis that does not lose writes. One that was restarted, or replaced by its replica, may have lost the
last seconds: acknowledged entries are in the stream again, either not pending, or pending together with others.
`is_other_server` detects this by the server's run id, and the writer then looks events up before it inserts them.

Acknowledging is one script: `XACK`, `XDEL`, and adding rejected events to the dead letters, or nothing of these if the
batch was acknowledged before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.exceptions import ResponseError

from gateway.redis import names as redis_names
from gateway.redis.lease import LeaseLost
from gateway.usage.consumer.batch import Batch, Entry, RejectedEvent, batch_of, content_field, entry_order
from gateway.usage.event import COUNT_EVENTS_LUA, UsageEvent

TAKE_ENTRIES = 50
"""Entries that one read makes pending. An entry holds up to 256 events, so a batch may exceed its limit by 12,800."""
TAKE_EVENTS = 1000
"""Events that one script makes pending, with the same excess: Redis serves nothing else meanwhile."""

# KEYS: the stream, the lease. ARGV: the holder, the group, the consumer, the entries per read, the wanted weight.
# Returns the weight of the entries that it made pending, or -1 if the holder does not have the lease.
_TAKE = (
    COUNT_EVENTS_LUA
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
local weight = 0
while weight < tonumber(ARGV[5]) do
  local found = redis.call(
    'XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', ARGV[4], 'STREAMS', KEYS[1], '>')
  if not found then break end
  for _, entry in ipairs(found[1][2]) do
    local packed = entry[2][2]
    weight = weight + math.max(1, count_events(packed), math.ceil(#packed / 1024))
  end
end
return weight
"""
)
# KEYS: the stream. ARGV: the group, the consumer. Returns the reply of XREADGROUP.
_READ_PENDING = "return redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'STREAMS', KEYS[1], '0')"
# KEYS: the stream, the dead letters, the duplicates by day. ARGV: the group, the entry ids (separated by spaces), the
# number of rejected events, for each of them its field, the packed event and the reason, then for each day of
# duplicates the day and their number. Returns the number of entries acknowledged; 0 if that was done before: then
# nothing else changes.
_ACK = """
local ids, acknowledged = {}, 0
for id in string.gmatch(ARGV[2], '%S+') do ids[#ids + 1] = id end
for first = 1, #ids, 1000 do
  local last = math.min(first + 999, #ids)
  acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], unpack(ids, first, last))
  redis.call('XDEL', KEYS[1], unpack(ids, first, last))
end
if acknowledged > 0 then
  local duplicates_from = 4 + 3 * ARGV[3]
  for at = 4, duplicates_from - 1, 3 do
    redis.call('XADD', KEYS[2], '*', ARGV[at], ARGV[at + 1], 'reason', ARGV[at + 2])
  end
  for at = duplicates_from, #ARGV, 2 do redis.call('HINCRBY', KEYS[3], ARGV[at], ARGV[at + 1]) end
end
return acknowledged
"""


class StreamConsumer:
    """Reads and acknowledges the usage stream for `holder`. Methods raise what the Redis client raises."""

    def __init__(self, redis: redis.asyncio.Redis, holder: str) -> None:
        self._redis = redis
        self._holder = holder
        self._run_id = ""

    async def create_group(self) -> None:
        """Create the stream and its consumer group if they are missing."""
        try:
            await self._redis.xgroup_create(redis_names.USAGE, redis_names.USAGE_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def is_other_server(self) -> bool:
        """Return True if the server was restarted or replaced since the last `trust_server`."""
        self._run_id = str((await self._redis.info("server")).get("run_id", ""))
        trusted: Any = await self._redis.get(redis_names.USAGE_SERVER_RUN_ID)
        return trusted is None or bytes(trusted) != self._run_id.encode()

    async def trust_server(self) -> None:
        """Record this server as trusted: all entries that a failure could have brought back are stored by now."""
        await self._redis.set(redis_names.USAGE_SERVER_RUN_ID, self._run_id)

    async def pending_of_all(self) -> AsyncIterator[Batch]:
        """Yield the pending set of every consumer as one batch. Acknowledge each before the next."""
        for consumer in await self._redis.xinfo_consumers(redis_names.USAGE, redis_names.USAGE_GROUP):
            if consumer["pending"] and (batch := await self.pending(consumer["name"])):
                yield batch

    async def pending(self, consumer: bytes | str = redis_names.USAGE_CONSUMER) -> Batch | None:
        """Return the pending set of a consumer as one batch; `None` if it is empty."""
        found = await self._redis.eval(_READ_PENDING, 1, redis_names.USAGE, redis_names.USAGE_GROUP, consumer)
        return batch_of([_entry(*entry) for entry in found[0][1]]) if found and found[0][1] else None

    async def wait_for_entries(self, milliseconds: int) -> bool:
        """Wait until the stream has entries that no consumer has taken. Return False if the time passes first.

        Raises `ResponseError` if Redis has lost the consumer group.
        """
        groups = await self._redis.xinfo_groups(redis_names.USAGE)
        delivered = {bytes(group["name"]).decode(): group["last-delivered-id"] for group in groups}
        if redis_names.USAGE_GROUP not in delivered:
            raise ResponseError("NOGROUP the consumer group of the usage stream is gone")
        # The client's own time-out may be shorter.
        with suppress(redis.exceptions.TimeoutError):
            last: Any = {redis_names.USAGE: delivered[redis_names.USAGE_GROUP]}
            return bool(await self._redis.xread(last, count=1, block=milliseconds))
        return False

    async def take(self, wanted: int = TAKE_EVENTS) -> int:
        """Make new entries of about `wanted` weight pending, and return their weight. Raises `LeaseLost`.

        The weight of an entry is the number of its events, or its size in kilobytes if that is more.
        """
        weight = await self._redis.eval(
            _TAKE,
            2,
            redis_names.USAGE,
            redis_names.USAGE_LEASE,
            self._holder,
            redis_names.USAGE_GROUP,
            redis_names.USAGE_CONSUMER,
            TAKE_ENTRIES,
            min(wanted, TAKE_EVENTS),
        )
        if weight < 0:
            raise LeaseLost
        return int(weight)

    async def ack(self, batch: Batch, rejected: Sequence[RejectedEvent], duplicates: Sequence[UsageEvent] = ()) -> bool:
        """Acknowledge and delete an inserted batch. Return False if that was done before.

        `duplicates`: events that were accepted twice and are stored once; reconciliation subtracts them.
        """
        dead_letters: list[bytes | str] = []
        for one in rejected:
            dead_letters += one.field, one.packed, one.reason
        days = Counter(event.day for event in duplicates)
        acknowledged = await self._redis.eval(
            _ACK,
            3,
            redis_names.USAGE,
            redis_names.USAGE_DEAD_LETTERS,
            redis_names.USAGE_DUPLICATES,
            redis_names.USAGE_GROUP,
            # One argument: thousands of them would dominate the client's cost of a batch.
            b" ".join(batch.ids),
            len(rejected),
            *dead_letters,
            *chain.from_iterable(days.items()),
        )
        return bool(acknowledged)

    async def backlog(self) -> tuple[int, int | None]:
        """Return `stream_backlog` of the usage stream."""
        return await stream_backlog(self._redis, redis_names.USAGE)


async def stream_backlog(redis: redis.asyncio.Redis, stream: str) -> tuple[int, int | None]:
    """Return the number of entries in a stream, and the time of the oldest (milliseconds since the epoch)."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xlen(stream)
        pipe.xrange(stream, count=1)
        length, oldest = await pipe.execute()
    return length, entry_order(oldest[0][0])[0] if oldest else None


def _entry(entry_id: bytes, fields: list[bytes] | None) -> Entry:
    """Decode an entry as a script returns it: its content, and field `again` if it may be a duplicate."""
    if fields is None:
        return Entry(entry_id, None)
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    field = content_field(values)
    return Entry(entry_id, values.get(field, b""), b"again" in values, field)
