"""The Lua script that checks and consumes limits: several operations in one round trip, each all or nothing.

`ARGV` has the milliseconds of an outage of Redis (or 0), then for each operation its opcode, the number of its keys,
the number of its arguments, and these. `KEYS` has the keys of all operations, in the same order.

| opcode | keys | arguments | reply |
| --- | --- | --- | --- |
| `take` | one for each limit | units; for each key its kind, cap, needed, amount, extra | see below |
| `give_back` | one for each limit | for each key its kind, amount, bucket | 0 |
| `release` | slots of a limit | members | 0 |
| `renew` | slots of a limit | members | 0 |
| `renew_lent` | slots of a limit, pending call | the member that was lent | 1 if the call is pending, else 0 |

- `take` replies with the admitted units, the number of the limit that admits no more (or 0) and the milliseconds until
  its window has enough left; then, for each key, the amount used, and the milliseconds until a window is less used
  (otherwise -1).
- A unit needs `needed` of a limit and consumes `amount`. If both are the same, as many units are admitted as the limit
  has left. Otherwise (records) all of them are, if `needed` is left.
- A `window` is a hash of buckets of `BUCKET_SECONDS` by the clock of Redis. Buckets that overlap the last 60 seconds
  count in full: in any 60 seconds at most the cap is taken, and under steady load about 60/62 of it.
- A `counter` is the count of a day or month. The `extra` of windows and counters is their time to live in seconds.
- `slots` are those of calls in flight: a sorted set by deadline. `extra` is the prefix of the members to add. A worker
  renews the slots that it holds, so those of a dead worker are free after `SLOT_SECONDS`. After an outage of Redis,
  the deadlines are extended by its duration: no worker could renew its slots.

Pure: does no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gateway.keys.limits import BUCKET_SECONDS, DAY, MINUTE

SLOT_SECONDS = 20
"""Seconds after which a slot that is not renewed is free."""

SCRIPT = f"""
local width, window, slot_life = {BUCKET_SECONDS * 1000}, {MINUTE * 1000}, {SLOT_SECONDS * 1000}
local slots_ttl = {DAY}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local outage = tonumber(ARGV[1])
local bucket, oldest = math.floor(now / width), math.floor((now - window) / width)

local function until_reset(first) return first and (first + 1) * width + window - now or -1 end

local read = {{}}
function read.window(key)
  local used, first, stored = 0, nil, redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    local each, count = tonumber(stored[i]), tonumber(stored[i + 1])
    if each < oldest then redis.call('HDEL', key, stored[i])
    else
      used = used + count
      if count > 0 and (not first or each < first) then first = each end
    end
  end
  return used, first
end
function read.counter(key) return tonumber(redis.call('GET', key) or '0') end
function read.slots(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - outage)
  return redis.call('ZCARD', key)
end

local add = {{}}
function add.window(key, amount, ttl)
  redis.call('HINCRBY', key, bucket, amount)
  redis.call('EXPIRE', key, ttl)
end
function add.counter(key, amount, ttl)
  if redis.call('INCRBY', key, amount) <= amount then redis.call('EXPIRE', key, ttl) end
end
function add.slots(key, amount, prefix)
  for i = 1, amount do redis.call('ZADD', key, now + slot_life, prefix .. i) end
  redis.call('EXPIRE', key, slots_ttl)
end

local function wait_for_window(key, cap, needed)
  local counts, used, stored = {{}}, 0, redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    counts[#counts + 1] = {{tonumber(stored[i]), tonumber(stored[i + 1])}}
    used = used + tonumber(stored[i + 1])
  end
  table.sort(counts, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(counts) do
    used = used - each[2]
    if used + needed <= cap then return until_reset(each[1]) end
  end
  return until_reset(bucket)
end

-- Each operation gets the number of its keys, the index before them in KEYS, and the first and last of its ARGV.
local run = {{}}
function run.take(count, k, a)
  local units = tonumber(ARGV[a])
  local admitted, exceeded, used, first = units, 0, {{}}, {{}}
  for i = 1, count do
    local at = a + 5 * (i - 1)
    local cap, needed, amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    used[i], first[i] = read[ARGV[at + 1]](KEYS[k + i])
    local free = units
    if needed ~= amount then free = used[i] + needed <= cap and units or 0
    elseif amount > 0 then free = math.max(0, math.floor((cap - used[i]) / amount)) end
    if free < admitted then admitted, exceeded = free, i end
  end
  local reply = {{admitted, exceeded, 0}}
  for i = 1, count do
    local at = a + 5 * (i - 1)
    local kind, amount = ARGV[at + 1], admitted * tonumber(ARGV[at + 4])
    if amount > 0 then add[kind](KEYS[k + i], amount, ARGV[at + 5]) end
    reply[#reply + 1] = used[i] + amount
    reply[#reply + 1] = kind == 'window' and until_reset(first[i] or amount > 0 and bucket) or -1
  end
  local at = a + 5 * (exceeded - 1)
  if exceeded > 0 and ARGV[at + 1] == 'window' then
    reply[3] = wait_for_window(KEYS[k + exceeded], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  end
  return reply
end
function run.give_back(count, k, a)
  for i = 1, count do
    local at, key = a + 3 * (i - 1), KEYS[k + i]
    if redis.call('EXISTS', key) == 1 then
      if ARGV[at] == 'counter' then redis.call('DECRBY', key, ARGV[at + 1])
      elseif redis.call('HEXISTS', key, ARGV[at + 2]) == 1 then
        redis.call('HINCRBY', key, ARGV[at + 2], -ARGV[at + 1])
      end
    end
  end
end
function run.release(count, k, a, last)
  for i = a, last do redis.call('ZREM', KEYS[k + 1], ARGV[i]) end
end
function run.renew(count, k, a, last)
  for i = a, last do redis.call('ZADD', KEYS[k + 1], now + slot_life, ARGV[i]) end
  redis.call('EXPIRE', KEYS[k + 1], slots_ttl)
end
function run.renew_lent(count, k, a)
  local slots = KEYS[k + 1]
  if redis.call('EXISTS', KEYS[k + 2]) == 0 or not redis.call('ZSCORE', slots, ARGV[a]) then
    redis.call('ZREM', slots, ARGV[a])
    return 0
  end
  redis.call('ZADD', slots, now + slot_life, ARGV[a])
  redis.call('EXPIRE', slots, slots_ttl)
  return 1
end

local replies, k, a = {{bucket, (bucket + 1) * width - now}}, 0, 2
while a <= #ARGV do
  local count, size = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  replies[#replies + 1] = run[ARGV[a]](count, k, a + 3, a + 2 + size) or 0
  k, a = k + count, a + 3 + size
end
return replies
"""
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Operation(NamedTuple):
    """One operation of the script."""

    opcode: str
    names: Sequence[str]
    arguments: Sequence[str | int]


class Bucket(NamedTuple):
    """The bucket in which a script ran."""

    number: int
    seconds_left: float


def script_arguments(operations: Sequence[Operation], outage_ms: int = 0) -> list[str | int]:
    """Return the arguments of `EVALSHA` after the hash: the number of keys, the keys and `ARGV`."""
    names: list[str | int] = []
    arguments: list[str | int] = []
    for opcode, keys, values in operations:
        names += keys
        arguments += (opcode, len(keys), len(values), *values)
    return [len(names), *names, outage_ms, *arguments]


def read_replies(reply: Sequence[Any]) -> tuple[Bucket, Iterator[Any]]:
    """Return the bucket and the replies to the operations."""
    return Bucket(reply[0], reply[1] / 1000), iter(reply[2:])
