"""Lua scripts of the producing side: add a batch exactly once, and report the events that only the spool has.

`APPEND`:

| argument | is |
| --- | --- |
| `KEYS[1]` | the usage stream |
| `KEYS[2]` | the channel: the number of its last batch |
| `KEYS[3]` | the accepted counters of the day, by process |
| `KEYS[4]` | for a replay only: the events that only the spool has, by process |
| `ARGV[1]` | the process that accepted the events |
| `ARGV[2]` | the number of the batch in its channel |
| `ARGV[3]` | events of that day that the process has accepted, these included |
| `ARGV[4]` | 1 if an event may be a duplicate, else 0 |
| `ARGV[5]` | the packed events |
| `ARGV[6]` | for a replay only: the events that the process then still has to send |

`REPORT_SPOOLED`:

| argument | is |
| --- | --- |
| `KEYS[1]` | the events that only the spool has, by process |
| `KEYS[2]`… | the accepted counters of each day, by process |
| `ARGV[1]` | the process |
| `ARGV[2]` | the events that only its spool has |
| `ARGV[3]` | seconds for which the counters are kept |
| `ARGV[4]`… | for each of these days, the events that the process has accepted |
"""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.redis import names as redis_names
from gateway.usage.producer.spool_format import SpoolRecord

ACCEPTED_TTL_SECONDS = 400 * 24 * 3600
"""Time for which Redis keeps the accepted counters of a day."""
CHANNEL_TTL_SECONDS = 30 * 24 * 3600
"""Time for which Redis remembers a channel. A spool file that is replayed later may be added twice."""

APPEND = f"""
local last, number, unsent = tonumber(redis.call('GET', KEYS[2]) or 0), tonumber(ARGV[2]), ARGV[6]
if last < number then
  if not unsent and last ~= number - 1 then return -1 end
  if unsent or ARGV[4] == '1' then
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[5], 'again', 1)
  else
    redis.call('XADD', KEYS[1], '*', 'e', ARGV[5])
  end
  redis.call('SET', KEYS[2], number, 'EX', {CHANNEL_TTL_SECONDS})
  local counted = redis.call('HGET', KEYS[3], ARGV[1])
  if not counted or tonumber(counted) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[3], ARGV[1], ARGV[3]) end
  if not counted then redis.call('EXPIRE', KEYS[3], {ACCEPTED_TTL_SECONDS}) end
  if unsent == '0' then redis.call('HDEL', KEYS[4], ARGV[1])
  elseif unsent then redis.call('HSET', KEYS[4], ARGV[1], unsent) end
end
return redis.call('XLEN', KEYS[1])
"""
"""Add a batch unless the channel has had it, or a later one. Returns the stream's length, or -1 for a gap.

A gap, an unknown preceding batch, is an error for a live batch only.
"""
APPEND_SHA = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()

REPORT_SPOOLED = """
for i = 2, #KEYS do
  local counted = redis.call('HGET', KEYS[i], ARGV[1])
  if not counted or tonumber(counted) < tonumber(ARGV[i + 2]) then
    redis.call('HSET', KEYS[i], ARGV[1], ARGV[i + 2])
  end
  redis.call('EXPIRE', KEYS[i], ARGV[3])
end
if ARGV[2] == '0' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""


class RedisLostEntries(Exception):
    """Redis does not know a batch that it had acknowledged."""


def append_arguments(record: SpoolRecord, unsent_events: int | None = None) -> tuple[Any, ...]:
    """Return the number of keys, the keys and the arguments of `APPEND`; `unsent_events` marks a replay."""
    channel = redis_names.USAGE_CHANNEL + record.channel
    accepted = f"{redis_names.USAGE_ACCEPTED}{record.day}"
    values = record.source, record.number, record.total, int(record.possibly_duplicate), record.packed
    if unsent_events is None:
        return 3, redis_names.USAGE, channel, accepted, *values
    return 4, redis_names.USAGE, channel, accepted, redis_names.USAGE_SPOOLED_ONLY, *values, unsent_events


def check_reply(reply: int) -> None:
    """Raise `RedisLostEntries` if `APPEND` found a gap."""
    if reply < 0:
        raise RedisLostEntries("it lost entries that it had acknowledged")
