"""The Lua script that stores a new or changed key."""

from __future__ import annotations

from gateway.audit.author import ADD_ENTRY_LUA

TOO_MANY_KEYS = -1
MARKER_EXISTS = -2

# KEYS: the record, the index of all keys, those of the owner before and of the owner after the change, the living keys
# of these owners, the marker of the creation, the digests to delete, the digests to set, each followed by the last use
# of its secret. ARGV: the expected record ("" for none), the new record, the channel, the key id, its creation time,
# the keys that the owner may have ("" for any number), the time, the prefix of records, the end of its life ("" if it
# has ended), the value and the lifetime of the marker ("" for none), the number of digests to delete, then for each
# digest to set its value and its expiry ("" for none), finally the usage stream and the audit entry of the change (""
# for none). Returns 1 if the new record is stored, 0 on conflict, -1 if the owner has too many living keys, and -2 if
# the marker exists.
# Idempotent: a script that is sent twice because its reply was lost finds the new record and succeeds.
COMPARE_AND_SET = (
    ADD_ENTRY_LUA
    + """
local function count_living()
  if not redis.call('ZSCORE', KEYS[6], '') then
    redis.call('ZADD', KEYS[6], 0, '')
    for _, key_id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
      local stored = redis.call('GET', ARGV[8] .. key_id)
      local key = stored and cjson.decode(stored)
      if key and type(key.revoked_at) ~= 'number' then
        local is_endless = type(key.expires_at) ~= 'number'
        redis.call('ZADD', KEYS[6], is_endless and '+inf' or string.format('%.0f', key.expires_at), key_id)
      end
    end
  end
  return redis.call('ZCOUNT', KEYS[6], '(' .. ARGV[7], '+inf')
end

local stored = redis.call('GET', KEYS[1]) or ''
if stored ~= ARGV[2] then
  if stored ~= ARGV[1] then return 0 end
  if ARGV[11] ~= '' and redis.call('EXISTS', KEYS[7]) == 1 then return -2 end
  if ARGV[6] ~= '' and count_living() >= tonumber(ARGV[6]) then return -1 end
  redis.call('SET', KEYS[1], ARGV[2])
  add_audit_entry(ARGV[#ARGV - 1], ARGV[#ARGV])
  if ARGV[11] ~= '' then redis.call('SET', KEYS[7], ARGV[10], 'PX', ARGV[11]) end
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[4])
  if KEYS[3] ~= KEYS[4] then
    redis.call('ZREM', KEYS[3], ARGV[4])
    redis.call('ZREM', KEYS[5], ARGV[4])
  end
  redis.call('ZADD', KEYS[4], ARGV[5], ARGV[4])
  if ARGV[9] == '' then
    redis.call('ZREM', KEYS[6], ARGV[4])
  elseif redis.call('ZSCORE', KEYS[6], '') then
    redis.call('ZADD', KEYS[6], ARGV[9], ARGV[4])
  end
  local drops = tonumber(ARGV[12])
  for i = 8, 7 + 2 * drops do redis.call('DEL', KEYS[i]) end
  for i = 8 + 2 * drops, #KEYS, 2 do
    local at = 13 + i - 8 - 2 * drops
    redis.call('SET', KEYS[i], ARGV[at])
    if ARGV[at + 1] ~= '' then
      redis.call('PEXPIREAT', KEYS[i], ARGV[at + 1])
      redis.call('PEXPIREAT', KEYS[i + 1], ARGV[at + 1])
    end
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""
)
