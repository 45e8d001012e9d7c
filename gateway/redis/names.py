"""Every name that the gateway uses in Redis, in one place.

All names share one hash tag, so that on a Redis Cluster they live in one slot and transactions over several of
them stay legal.
"""

from __future__ import annotations

import hashlib

PREFIX = "{mcpgw}:"

KEY_IDS = PREFIX + "keys"
"""Sorted set: key ids by creation time (milliseconds)."""
KEY_RECORD = PREFIX + "key:"
"""+ key id: the JSON of a `KeyRecord`."""
KEY_ID_OF_DIGEST = PREFIX + "digest:"
"""+ hex digest of an API key: its key id."""
KEY_IDS_OF_OWNER = PREFIX + "owner-keys:"
"""+ owner: sorted set of key ids by creation time."""
LAST_USED = PREFIX + "last-used"
"""Hash: key id to the time of its last use (milliseconds)."""
INVALIDATIONS = PREFIX + "invalidations"
"""Pub/sub channel: key ids whose record changed."""

FSYNC_MARKER = PREFIX + "disk-mark"
"""A key that is written to learn whether the disk of Redis has what was written before."""

USER_EMAILS = PREFIX + "users"
"""Set: the emails of all users."""
USER_RECORD = PREFIX + "user:"
"""+ email: the JSON of a user."""
LOGIN_ATTEMPTS = PREFIX + "login-attempts:"
"""+ address or account: count of failed logins in the current window."""
AUDIT = PREFIX + "audit"
"""Stream: who did what to which key or user."""

SESSION = PREFIX + "session:"
"""+ digest of an MCP session id: the JSON of its owner and client."""
UNCLAIMED_SESSIONS = PREFIX + "unclaimed-sessions"
"""Sorted set: session ids opened without a key, by their deadline (milliseconds)."""
OPEN_HANDSHAKES = PREFIX + "handshakes:"
"""+ client address: sorted set of its open handshakes by deadline."""
PENDING_REQUESTS = PREFIX + "awaited:"
"""+ digest of a session and a request's id: list of the requests whose answers may come on another stream."""
ANSWERED_REQUESTS = PREFIX + "answered:"
"""+ the same: which of them was answered last, and whether that was counted."""
PENDING_REQUESTS_OF_OWNER = PREFIX + "awaited-of:"
"""+ digest of an owner: sorted set of what is awaited in all of the owner's sessions, by deadline (milliseconds)."""
PENDING_REQUESTS_OF_SESSION = PREFIX + "awaited-in:"
"""+ digest of a session: sorted set of what is awaited in it, by deadline (milliseconds)."""
ALL_PENDING_REQUESTS = PREFIX + "awaited-in-all"
"""Sorted set of all that is awaited, by deadline (milliseconds)."""
DETACHED_CALLS = PREFIX + "departed:"
"""+ digest of a session: there while calls of it go on without their client, until the client comes back."""
TOOL_SCHEMAS = PREFIX + "tools:"
"""+ digest of the upstream's address: hash of its tools to their schemas, as they were seen to pass."""
TASK_OWNER = PREFIX + "task-owner:"
"""+ digest of a task's id: digest of its owner."""
LIMIT_COUNTER = PREFIX + "spent:"
"""+ key id, what and window: what a key has spent of a limit."""

USAGE = PREFIX + "usage"
"""Stream: packed usage events on their way to ClickHouse."""
USAGE_GROUP = "writer"
"""Consumer group of the usage stream."""
USAGE_CONSUMER = "writer"
"""The one consumer of that group: whoever holds the lease reads under this name."""
USAGE_CHANNEL = PREFIX + "usage-lane:"
"""+ lane: the number of the last batch that arrived through it, so that sending a batch twice adds it once."""
USAGE_LEASE = PREFIX + "usage-writer"
"""String with a time to live: which usage writer may read the stream."""
USAGE_FLUSH_REQUESTS = PREFIX + "usage-wanted"
"""List with a time to live: somebody waits for the events of the stream to be stored; the writer takes it."""
USAGE_SERVER_RUN_ID = PREFIX + "usage-server"
"""The run id of the server that a usage writer last knew to have lost nothing."""
USAGE_ACCEPTED = PREFIX + "usage-accepted:"
"""+ day (of the epoch, UTC): hash of gateway processes to the events of that day that each has accepted so far."""
USAGE_DUPLICATES = PREFIX + "usage-repeated"
"""Hash: days (of the epoch, UTC) to the events of that day that were accepted twice, and stored once."""
USAGE_SPOOLED_ONLY = PREFIX + "usage-spooled"
"""Hash: gateway processes to the events that only their spools have, for those that have any."""
USAGE_DROPPED_DEAD_LETTERS = PREFIX + "usage-dropped"
"""Hash: days (of the epoch, UTC) to the dead letters of that day that an operator dropped."""
USAGE_DEAD_LETTERS = PREFIX + "usage-dead-letters"
"""Stream: events that ClickHouse refused for their content."""


def digest(*parts: str) -> str:
    """Return the SHA-256 of some texts in hexadecimal, to name what Redis must not hold in clear text."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
