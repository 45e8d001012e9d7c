"""Lists of keys: filtered, sorted and in pages.

A page begins after a position, which is the value that a key is sorted by and its id. So keys that are created or
revoked in the meantime neither repeat nor skip others. Keys without an expiry come after those with one, and keys that
were never used before those that were; a descending order is the reverse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, NamedTuple, cast

from redis.asyncio import Redis

from gateway.keys.ceilings import set_values, values
from gateway.keys.record import KeyRecord, Status
from gateway.keys.storage.stored_key import read_all
from gateway.keys.store import KeyStore
from gateway.redis import names
from gateway.timestamps import format_rfc3339

MAX_LISTED = 10_000
"""Keys of a list that names no limit."""
_NEVER = 2**53

SortBy = Literal["created", "name", "expires", "last_used"]


class LabelFilter(NamedTuple):
    """Selects keys with a label that has this value, or any value for `None`."""

    name: str
    value: str | None

    @classmethod
    def parse(cls, text: str) -> LabelFilter:
        """Parse `name=value` or `name`. Raises `ValueError`."""
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or (equals and not value):
            raise ValueError("must be name=value, or name for any value")
        return cls(name, value if equals else None)

    def matches(self, record: KeyRecord) -> bool:
        """Return True if the key has such a label."""
        value = record.labels.get(self.name)
        return value is not None and self.value in (None, value)


class Position(NamedTuple):
    """The place of a key in a sorted list."""

    value: str | int
    key_id: str


class KeyQuery(NamedTuple):
    """The keys to list, and their order."""

    owner: str | None = None
    """`None` for all owners."""
    text: str = ""
    """A part of the name, id, prefix or owner, in any case."""
    label: LabelFilter | None = None
    status: Status | None = None
    sort: SortBy = "created"
    descending: bool = True
    limit: int = MAX_LISTED
    after: Position | None = None


class KeyPage(NamedTuple):
    """One page of a list."""

    records: list[KeyRecord]
    last_used: Mapping[str, int]
    """By key id, in milliseconds since the epoch."""
    total: int
    """Keys of all pages."""
    next_position: Position | None
    """`after` of the next page."""


async def read_page(keys: KeyStore, query: KeyQuery, now_ms: int) -> KeyPage:
    """Read one page of keys. Raises `redis.exceptions.RedisError`."""
    matching = [record for record in await keys.list(query.owner) if _matches(record, query, now_ms)]
    last_used: Mapping[str, int] = {}
    if query.sort == "last_used":
        last_used = await keys.last_uses.of_keys([record.key_id for record in matching])
    found = sorted(
        ((_position(record, query.sort, last_used), record) for record in matching),
        key=lambda pair: pair[0],
        reverse=query.descending,
    )
    after = query.after
    if after is not None:
        found = [pair for pair in found if (pair[0] < after if query.descending else pair[0] > after)]
    records = [record for _, record in found[: query.limit]]
    if query.sort != "last_used":
        last_used = await keys.last_uses.of_keys([record.key_id for record in records])
    next_position = found[query.limit - 1][0] if len(found) > query.limit else None
    return KeyPage(records, last_used, len(matching), next_position)


def _matches(record: KeyRecord, query: KeyQuery, now_ms: int) -> bool:
    if query.status is not None and record.status(now_ms) != query.status:
        return False
    if query.label is not None and not query.label.matches(record):
        return False
    text = query.text.casefold()
    texts = (record.key_name, record.key_id, record.key_prefix, record.owner)
    return not text or any(text in one.casefold() for one in texts)


def _position(record: KeyRecord, sort: SortBy, last_used: Mapping[str, int]) -> Position:
    match sort:
        case "created":
            return Position(record.created_at, record.key_id)
        case "name":
            return Position(record.key_name.casefold(), record.key_id)
        case "expires":
            return Position(_NEVER if record.expires_at is None else record.expires_at, record.key_id)
        case "last_used":
            return Position(last_used.get(record.key_id, 0), record.key_id)


def public_fields(record: KeyRecord) -> dict[str, Any]:
    """Return the members by which the admin API and the command line describe a new key, without its secret."""
    return {
        "key_id": record.key_id,
        "key_name": record.key_name,
        "key_prefix": record.key_prefix,
        "created_at": format_rfc3339(record.created_at),
        "expires_at": format_rfc3339(record.expires_at),
    }


def listed_fields(record: KeyRecord, now_ms: int, last_used: int | None) -> dict[str, Any]:
    """Return the members by which the admin API and the command line list a key."""
    return {
        "key_id": record.key_id,
        "key_name": record.key_name,
        "key_prefix": record.key_prefix,
        "owner": record.owner,
        "status": record.status(now_ms),
        "created_at": format_rfc3339(record.created_at),
        # Among the restrictions, too, but shown here.
        "expires_at": format_rfc3339(record.expires_at),
        "revoked_at": format_rfc3339(record.revoked_at),
        "suspended_at": format_rfc3339(record.suspended_since),
        "suspended_by": record.suspender,
        "last_used_at": format_rfc3339(last_used),
        **values(record),
        "ceiling": set_values(record.ceiling),
        "labels": record.labels,
    }


async def record_pages(redis: Redis, size: int) -> AsyncIterator[list[KeyRecord]]:
    """Yield all keys without their owners' policies, the oldest first, `size` at a time.

    Keys that are created or deleted meanwhile may be missing. Raises `redis.exceptions.RedisError`.
    """
    start = 0
    while key_ids := cast(list[bytes], await redis.zrange(names.KEY_IDS, start, start + size - 1)):
        yield await read_all(redis, [key_id.decode() for key_id in key_ids])
        start += size


async def label_values(keys: KeyStore, owner: str | None, label: str) -> dict[str, str]:
    """Return the value of a label, by the id of the keys of an owner, or of all, that have it."""
    return {key.key_id: key.labels[label] for key in await keys.list(owner) if label in key.labels}
