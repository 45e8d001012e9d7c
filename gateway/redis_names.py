"""Every name that the gateway uses in Redis, in one place.

All names share one hash tag, so that on a Redis Cluster they live in one slot and transactions over several of
them stay legal.
"""

PREFIX = "{mcpgw}:"

KEYS = PREFIX + "keys"
"""Sorted set: key ids by creation time (milliseconds)."""
KEY = PREFIX + "key:"
"""+ key id: the JSON of a `KeyRecord`."""
DIGEST = PREFIX + "digest:"
"""+ hex digest of an API key: its key id."""
OWNER_KEYS = PREFIX + "owner-keys:"
"""+ owner: sorted set of key ids by creation time."""
LAST_USED = PREFIX + "last-used"
"""Hash: key id to the time of its last use (milliseconds)."""
INVALIDATIONS = PREFIX + "invalidations"
"""Pub/sub channel: key ids whose record changed."""

USERS = PREFIX + "users"
"""Set: the emails of all users."""
USER = PREFIX + "user:"
"""+ email: the JSON of a user."""
LOGIN_ATTEMPTS = PREFIX + "login-attempts:"
"""+ address or account: count of failed logins in the current window."""
AUDIT = PREFIX + "audit"
"""Stream: who did what to which key or user."""

SESSION = PREFIX + "session:"
"""+ digest of an MCP session id: hash of its owner and client."""
UNCLAIMED_SESSIONS = PREFIX + "unclaimed-sessions"
"""Sorted set: session ids opened without a key, by their deadline (milliseconds)."""
HANDSHAKES = PREFIX + "handshakes:"
"""+ client address: sorted set of its open handshakes by deadline."""
SPENT = PREFIX + "spent:"
"""+ key id, what and window: what a key has spent of a limit."""

USAGE = PREFIX + "usage"
"""Stream: packed usage events on their way to ClickHouse."""
USAGE_GROUP = "writer"
"""Consumer group of the usage stream."""
USAGE_DEAD_LETTERS = PREFIX + "usage-dead-letters"
"""Stream: events that ClickHouse refused for their content."""
