"""The Lua scripts that change users.

They return 1 if they have made the change, and are idempotent. Each takes the audit entry of the change, "" for none.
"""

from __future__ import annotations

from gateway.audit.author import ADD_ENTRY_LUA

# KEYS: the user, the policy, the set of users, the usage stream. ARGV: the new JSON, the email, the policy ("" for
# none), the channel, the message, "1" to add the user only if there is none yet, and the audit entry.
ADD = (
    ADD_ENTRY_LUA
    + """
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[1] then return 1 end
if stored or (ARGV[6] == '1' and redis.call('SCARD', KEYS[3]) > 0) then return 0 end
if ARGV[3] == '' then redis.call('DEL', KEYS[2]) else redis.call('SET', KEYS[2], ARGV[3]) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[2])
add_audit_entry(KEYS[4], ARGV[7])
return 1
"""
)
# KEYS: the user, the usage stream, and an admin who must remain, if there must be one. ARGV: the expected JSON, the new
# JSON, the audit entry, the JSON of that admin.
COMPARE_AND_SET = (
    ADD_ENTRY_LUA
    + """
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] or (KEYS[3] and redis.call('GET', KEYS[3]) ~= ARGV[4]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
add_audit_entry(KEYS[2], ARGV[3])
return 1
"""
)
# KEYS: the user, the policy, the set of users, the user's key ids, the usage stream, and an admin who must remain, if
# there must be one. ARGV: the expected JSON, the email, the expected number of key ids, the channel, the message, the
# audit entry, the JSON of that admin.
COMPARE_AND_DELETE = (
    ADD_ENTRY_LUA
    + """
local stored = redis.call('GET', KEYS[1])
if not stored then return 1 end
if stored ~= ARGV[1] or redis.call('ZCARD', KEYS[4]) ~= tonumber(ARGV[3]) then return 0 end
if KEYS[6] and redis.call('GET', KEYS[6]) ~= ARGV[7] then return 0 end
add_audit_entry(KEYS[5], ARGV[6])
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SREM', KEYS[3], ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
"""
)
