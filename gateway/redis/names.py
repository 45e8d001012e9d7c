"""Every name, or name prefix, of the keys and channels that the gateway uses in Redis.

All names share one hash tag, so that they live in one slot of a Cluster and transactions over several of them are
allowed. A name that ends with a colon is a prefix; its description says what its users append.
"""

from __future__ import annotations

import hashlib

PREFIX = "{mcpgw}:"

# API keys.

KEY_IDS = PREFIX + "keys"
"""Sorted set: ids of all keys by creation time (milliseconds)."""
KEY_RECORD = PREFIX + "key:"
"""+ key id: JSON of a `KeyRecord`."""
KEY_ID_OF_DIGEST = PREFIX + "digest:"
"""+ hexadecimal digest of an API key: its key id."""
KEY_IDS_OF_OWNER = PREFIX + "owner-keys:"
"""+ owner: sorted set of the owner's key ids by creation time (milliseconds)."""
CREATION = PREFIX + "creation:"
"""+ digest of a user and an `Idempotency-Key`: JSON of the key that was created and of the request, for a day."""
LIVING_KEYS_OF_OWNER = PREFIX + "owner-living-keys:"
"""+ owner: sorted set of the owner's keys that are not revoked by their end (milliseconds), and an empty member with
score 0 once it is complete."""
LAST_USED = PREFIX + "last-used"
"""Hash: key id to the time of its last use (milliseconds)."""
SECRET_USE = PREFIX + "secret-use:"
"""+ hexadecimal digest of an API key: JSON of its last use; expires and is deleted with `KEY_ID_OF_DIGEST`."""
INVALIDATIONS = PREFIX + "invalidations"
"""Pub/sub channel: ids of keys whose record has changed."""
OWNER_POLICY = PREFIX + "owner-policy:"
"""+ owner: JSON of an `OwnerPolicy`; absent if the owner has none."""
POLICY_CHANGES = "owner:"
"""Prefix of a message of `INVALIDATIONS`: + owner whose policy has changed."""
LIMIT_COUNTER = PREFIX + "spent:"
"""+ key id or digest of an owner, unit, and day or month: how much the key or owner has used."""
RATE_WINDOW = PREFIX + "rate:"
"""+ key id or digest of an owner: hash of the requests of the last minute, by bucket (seconds since the epoch,
divided)."""
TOOL_RATE_WINDOW = PREFIX + "tool-rate:"
"""+ key id or digest of an owner, and digest of a glob: hash of the last minute's calls of tools that match the glob,
as in `RATE_WINDOW`."""
CALL_SLOTS = PREFIX + "slots:"
"""+ key id or digest of an owner: sorted set of the slots of its calls in flight, by deadline (milliseconds)."""
WRONG_KEYS = PREFIX + "wrong-keys:"
"""+ number of a slot of some seconds since the epoch: hash of client addresses to the wrong API keys that they sent."""

# Accounts.

USER_EMAILS = PREFIX + "users"
"""Set: emails of all users."""
USER_RECORD = PREFIX + "user:"
"""+ email: JSON of a user."""
LOGIN_ATTEMPTS = PREFIX + "login-attempts:"
"""+ source, or source and account: sorted set of attempt ids by time (milliseconds); a successful login removes its
id."""
WRONG_LOGINS = PREFIX + "wrong-logins:"
"""+ email: sorted set of the wrong logins of the last minute, from all sources, by time (milliseconds)."""
LOGIN_SESSIONS = PREFIX + "login-sessions:"
"""+ email: hash of session ids to the JSON of a `Session` of the admin API."""
ENDED_TOKEN = PREFIX + "ended-token:"
"""+ digest of an access token without a session: exists from its logout until it expires."""
PASSWORD_LINK = PREFIX + "password-link:"
"""+ digest of a token: JSON of the link with which a user sets the password."""
PASSWORD_LINK_OF_USER = PREFIX + "password-link-of:"
"""+ email: digest of the token of the newest such link of the user."""
CREATIONS = PREFIX + "creations:"
"""+ keys or users, minute since the epoch, and email: how many the user has created in that minute."""
ATTACKED_ACCOUNTS = PREFIX + "attacked-accounts"
"""Sorted set: emails on which many wrong logins were made, by the time of the last one (milliseconds)."""
EARLIER_AUDIT = PREFIX + "audit"
"""Stream: the audit trail of earlier versions, until it is moved to the usage stream."""
REPEATED_ACTS = PREFIX + "repeated-acts:"
"""+ minute (since the epoch), and an act or the digest of an act and a source: how often it was repeated."""

# Sessions, and requests that are answered on another stream.

SESSION = PREFIX + "session:"
"""+ digest of an MCP session id: JSON of its owner and client."""
UNCLAIMED_SESSIONS = PREFIX + "unclaimed-sessions"
"""Sorted set: ids of sessions that were opened without a key, by deadline (milliseconds)."""
UNCLAIMED_SESSIONS_OF_ADDRESS = PREFIX + "handshakes:"
"""+ client address: sorted set of its unclaimed sessions, and of reservations for further ones, by deadline (ms)."""
PENDING_REQUESTS = PREFIX + "awaited:"
"""+ digest of a session and a request id: list of the requests that may be answered on another stream."""
ANSWERED_REQUESTS = PREFIX + "answered:"
"""+ digest of a session and a request id: state of the request that was answered last; see `correlation_store`."""
PENDING_REQUESTS_OF_OWNER = PREFIX + "awaited-of:"
"""+ digest of an owner: sorted set of the pending requests in all of the owner's sessions, by deadline (ms)."""
PENDING_REQUESTS_OF_SESSION = PREFIX + "awaited-in:"
"""+ digest of a session: sorted set of its pending requests by deadline (milliseconds)."""
ALL_PENDING_REQUESTS = PREFIX + "awaited-in-all"
"""Sorted set: all pending requests by deadline (milliseconds)."""
DETACHED_CALLS = PREFIX + "departed:"
"""+ digest of a session: exists while calls of the session continue without their client."""
TOOL_SCHEMAS = PREFIX + "tools:"
"""+ digest of the upstream's address: hash of tool names to schemas, as seen in `tools/list` results."""
TOOL_LIST_PAGE = PREFIX + "tool-page:"
"""+ digest of such a hash's name and of a cursor: JSON list of the tools that no page before the cursor had."""
TASK_OWNER = PREFIX + "task-owner:"
"""+ digest of a task id: digest of the task's owner."""

# Usage.

USAGE = PREFIX + "usage"
"""Stream: packed usage events, audit entries and counts of denials on their way to ClickHouse."""
USAGE_GROUP = "writer"
"""Consumer group of the usage stream."""
USAGE_CONSUMER = "writer"
"""The only consumer of that group; the usage writer that holds the lease reads under this name."""
USAGE_CHANNEL = PREFIX + "usage-lane:"
"""+ channel: number of its last batch, so that a batch that is sent twice is added once."""
USAGE_LEASE = PREFIX + "usage-writer"
"""String with a time to live: the usage writer that may read the stream."""
USAGE_FLUSH_REQUESTS = PREFIX + "usage-wanted"
"""List with a time to live: requests to store the events of the stream now; the usage writer pops them."""
USAGE_SERVER_RUN_ID = PREFIX + "usage-server"
"""String: run id of the Redis server that a usage writer last knew to have lost nothing."""
USAGE_ACCEPTED = PREFIX + "usage-accepted:"
"""+ day (since the epoch, UTC): hash of gateway processes to the events of that day that each has accepted."""
USAGE_DUPLICATES = PREFIX + "usage-repeated"
"""Hash: day (since the epoch, UTC) to the number of its events that were accepted twice and stored once."""
USAGE_SPOOLED_ONLY = PREFIX + "usage-spooled"
"""Hash: gateway process to the number of events that only its spool has; without processes that have none."""
USAGE_DROPPED_DEAD_LETTERS = PREFIX + "usage-dropped"
"""Hash: day (since the epoch, UTC) to the number of its dead letters that an operator dropped."""
USAGE_DEAD_LETTERS = PREFIX + "usage-dead-letters"
"""Stream: events that ClickHouse rejected because of their content."""

# Alerts.

ALERTS = PREFIX + "alerts"
"""Hash: alert id to the JSON of an `Alert`."""
ALERT_IDS = PREFIX + "alert-ids"
"""Sorted set: ids of all alerts by time (milliseconds)."""
WAITING_ALERTS = PREFIX + "waiting-alerts"
"""Sorted set: ids of alerts to send, by the time of the next attempt (milliseconds); 0 before the first one."""
ALERT_WINDOW = PREFIX + "alert-window:"
"""+ digest of a cause and its window: id of the alert that it has, with a time to live."""
ALERT_LEASE = PREFIX + "alert-sender"
"""String with a time to live: the admin process that looks for causes and sends alerts."""
WEBHOOK = PREFIX + "webhook"
"""String with a time to live: JSON of the host that the holder of that lease sends to."""
UPSTREAM_REPORTS = PREFIX + "upstream-reports"
"""Hash: gateway worker to the JSON of an `UpstreamReport`; without workers for which the upstream is well."""

FSYNC_MARKER = PREFIX + "disk-mark"
"""String that is written to find out whether Redis has all earlier writes on disk."""


def digest(*parts: str) -> str:
    """Return the SHA-256 of strings in hexadecimal, for names of data that Redis must not hold in clear text."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
