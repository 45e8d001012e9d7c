"""The writer's side of the usage stream: making batches of it, and settling them.

The rule that makes delivery exact: **the pending set of a consumer is its batch**. Entries become pending by
being read; the batch is what is pending then, read with one command; nothing more is made pending until the
whole of it is settled. So after any crash, and after any answer that was lost, the pending set is the batch that
may have been inserted, and its token, made of its entry ids, is the same. Making entries pending and checking
the lease are one script, so that a writer that lost the lease unawares cannot grow the pending set of the one
that has it. The pending sets of other consumers are taken over in the same way, each as a batch of its own.

The rule needs a Redis that remembers. One that was restarted, or replaced by its replica, may have lost the last
seconds: entries that were settled are there again, not pending or pending with others. `is_other_server` tells
so by the server's run id, and the writer then asks the table before it inserts.

Settling is one script: acknowledge, delete, and write what could not be stored to the dead letters, or, where
the batch was settled before, nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import msgspec
import redis.asyncio
import redis.exceptions
from redis.exceptions import ResponseError

from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent, pack, unpack
from gateway.usage.store.columns import fault

TAKE_ENTRIES = 50
"""Entries made pending at once. One holds up to 256 events, so that a batch overshoots its limit by
12,800.
"""
TAKE_EVENTS = 1000
"""Events that one script makes pending, and an overshoot like that: Redis does nothing else meanwhile."""

COUNT_EVENTS = """
local function count_events(packed)
  local first = packed:byte(1)
  if first and first >= 0x90 and first <= 0x9f then return first - 0x90 end
  if first == 0xdc and #packed > 3 then return packed:byte(2) * 256 + packed:byte(3) end
  return 1
end
"""
"""For other scripts: how many events an entry has, by the first bytes of the msgpack array."""

_TAKE = (
    COUNT_EVENTS
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
_PENDING = "return redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'STREAMS', KEYS[1], '0')"
_SETTLE = """
local ids, acknowledged = {}, 0
for id in string.gmatch(ARGV[2], '%S+') do ids[#ids + 1] = id end
for first = 1, #ids, 1000 do
  local last = math.min(first + 999, #ids)
  acknowledged = acknowledged + redis.call('XACK', KEYS[1], ARGV[1], unpack(ids, first, last))
  redis.call('XDEL', KEYS[1], unpack(ids, first, last))
end
if acknowledged > 0 then
  local repeated_from = 4 + 2 * ARGV[3]
  for at = 4, repeated_from - 1, 2 do
    redis.call('XADD', KEYS[2], '*', 'e', ARGV[at], 'reason', ARGV[at + 1])
  end
  for at = repeated_from, #ARGV, 2 do redis.call('HINCRBY', KEYS[3], ARGV[at], ARGV[at + 1]) end
end
return acknowledged
"""


class LeaseLost(Exception):
    """Another writer has the lease."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of the stream; `None` where it was removed while it was pending."""

    id: bytes
    packed: bytes | None
    is_again: bool = False
    """Sent again by a spool, or with events that are made twice: the stream may have had them before."""


class DeadLetter(msgspec.Struct, frozen=True):
    """What cannot be stored, and why."""

    packed: bytes
    """One packed event, or an entry's bytes as they were where they could not be read."""
    reason: str


class Batch(msgspec.Struct, frozen=True):
    """The entries that are inserted, and settled, together."""

    ids: tuple[bytes, ...]
    events: tuple[UsageEvent, ...]
    """Each event once, also where the stream has it twice."""
    dead: tuple[DeadLetter, ...]
    """What is known beforehand not to be storable."""
    again: frozenset[str]
    """The ids of events that the stream may have had before, in another entry."""
    repeated: tuple[UsageEvent, ...]
    """Events that were made twice, and are among `events` with another time."""
    missing: int
    """Entries that someone removed from the stream before they were settled."""

    @property
    def span(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The first and the last entry id, as numbers that can be compared."""
        return _order(self.ids[0]), _order(self.ids[-1])

    @property
    def token(self) -> str:
        """The same for the same entries, whatever became of them since."""
        return hashlib.sha256(b" ".join(self.ids)).hexdigest()


class UsageBatches:
    """Takes batches out of the usage stream, for as long as `holder` has the lease."""

    def __init__(self, redis: redis.asyncio.Redis, holder: str) -> None:
        self._redis = redis
        self._holder = holder
        self._run_id = ""

    async def prepare(self) -> None:
        """Make the stream and its consumer group where they are missing."""
        try:
            await self._redis.xgroup_create(redis_names.USAGE, redis_names.USAGE_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def is_other_server(self) -> bool:
        """Whether the server is another than when `trust_server` was last called, or was restarted since."""
        self._run_id = str((await self._redis.info("server")).get("run_id", ""))
        known: Any = await self._redis.get(redis_names.USAGE_SERVER_RUN_ID)
        return known is None or bytes(known) != self._run_id.encode()

    async def trust_server(self) -> None:
        """From now on this server remembers all that matters."""
        await self._redis.set(redis_names.USAGE_SERVER_RUN_ID, self._run_id)

    async def left_over(self) -> AsyncIterator[Batch]:
        """The pending set of every consumer, each as one batch, which is to be settled before the next."""
        for consumer in await self._redis.xinfo_consumers(redis_names.USAGE, redis_names.USAGE_GROUP):
            if consumer["pending"] and (batch := await self.pending(consumer["name"])):
                yield batch

    async def pending(self, consumer: bytes | str = redis_names.USAGE_CONSUMER) -> Batch | None:
        """What is pending for a consumer, as one batch; `None` where nothing is."""
        found = await self._redis.eval(_PENDING, 1, redis_names.USAGE, redis_names.USAGE_GROUP, consumer)
        return batch_of([_entry(*entry) for entry in found[0][1]]) if found and found[0][1] else None

    async def wait(self, milliseconds: int) -> bool:
        """Return when the stream has entries that nobody took, or after the time; whether it has.

        Raises `ResponseError` where Redis has forgotten what `prepare` made.
        """
        groups = await self._redis.xinfo_groups(redis_names.USAGE)
        delivered = {bytes(group["name"]).decode(): group["last-delivered-id"] for group in groups}
        if redis_names.USAGE_GROUP not in delivered:
            raise ResponseError("NOGROUP the consumer group of the usage stream is gone")
        # Where the client's own time-out is shorter, that is an answer too.
        with suppress(redis.exceptions.TimeoutError):
            last: Any = {redis_names.USAGE: delivered[redis_names.USAGE_GROUP]}
            return bool(await self._redis.xread(last, count=1, block=milliseconds))
        return False

    async def take(self, wanted: int = TAKE_EVENTS) -> int:
        """Make new entries pending, of so many events or a few more; how many that was. Raises `LeaseLost`.

        An event of more than a kilobyte counts as several.
        """
        taken = await self._redis.eval(
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
        if taken < 0:
            raise LeaseLost
        return int(taken)

    async def settle(self, batch: Batch, dead: Sequence[DeadLetter], repeated: Sequence[UsageEvent] = ()) -> bool:
        """Remove a stored batch from the stream; `False` where that was done before.

        `repeated`: events that were accepted twice, and are stored once.
        """
        letters: list[bytes | str] = []
        for letter in dead:
            letters += letter.packed, letter.reason
        days = Counter(event.day for event in repeated)
        acknowledged = await self._redis.eval(
            _SETTLE,
            3,
            redis_names.USAGE,
            redis_names.USAGE_DEAD_LETTERS,
            redis_names.USAGE_DUPLICATES,
            redis_names.USAGE_GROUP,
            # As one argument: thousands cost the client more than all else that it does for a batch.
            b" ".join(batch.ids),
            len(dead),
            *letters,
            *chain.from_iterable(days.items()),
        )
        return bool(acknowledged)

    async def backlog(self) -> tuple[int, int | None]:
        """How many entries the stream holds, and when its oldest was added (milliseconds since the epoch)."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xlen(redis_names.USAGE)
            pipe.xrange(redis_names.USAGE, count=1)
            length, oldest = await pipe.execute()
        return length, _order(oldest[0][0])[0] if oldest else None


def batch_of(entries: Sequence[Entry]) -> Batch:
    """Read the entries of a pending set."""
    events: dict[str, UsageEvent] = {}
    again: set[str] = set()
    dead: list[DeadLetter] = []
    repeated: list[UsageEvent] = []
    missing = 0
    for entry in entries:
        if entry.packed is None:
            missing += 1
            continue
        try:
            found = unpack(entry.packed)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            dead.append(DeadLetter(entry.packed, f"entry {entry.id.decode()} cannot be read: {error}"))
            continue
        for event in found:
            if reason := fault(event):
                dead.append(DeadLetter(pack((event,)), reason))
            else:
                if events.setdefault(event.event_id, event).created_at != event.created_at:
                    repeated.append(event)
                if entry.is_again:
                    again.add(event.event_id)
    ids = tuple(entry.id for entry in entries)
    return Batch(ids, tuple(events.values()), tuple(dead), frozenset(again), tuple(repeated), missing)


def _entry(key: bytes, fields: list[bytes] | None) -> Entry:
    """An entry as XREADGROUP gives it to a script; one of ours has the field `e`, and `again` if it is."""
    if fields is None:
        return Entry(key, None)
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(key, named.get(b"e", b""), b"again" in named)


def _order(entry_id: bytes) -> tuple[int, int]:
    time, _, number = entry_id.partition(b"-")
    return int(time), int(number)
