"""The audit trail of earlier versions, a trimmed stream in Redis: its entries are moved to the audit log.

Moving an entry is one transaction, and its id is made of the id in the stream: a process that is killed meanwhile, or
two that move at a time, lose none and have none twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from gateway.audit.entry import STREAM_FIELD, AuditEntry, json_text, new_entry, pack
from gateway.redis import names

_PAGE = 500
# KEYS: a stream.
_DELETE_IF_EMPTY = "if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end"
_log = logging.getLogger(__name__)


class _EarlierEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of versions before this one; `at` is in milliseconds since the epoch."""

    at: int
    actor: str
    action: str
    address: str
    key_id: str | None = None
    owner: str | None = None
    user: str | None = None
    details: dict[str, Any] = {}


async def move_earlier_entries(redis: Redis) -> int:
    """Move all entries to the usage stream, delete the former stream, and return their number."""
    moved = 0
    while found := await redis.xrange(names.EARLIER_AUDIT, count=_PAGE):
        page = cast(list[tuple[bytes, dict[bytes, bytes]]], found)
        async with redis.pipeline(transaction=True) as pipe:
            for entry_id, fields in page:
                if entry := _converted(entry_id, fields):
                    pipe.xadd(names.USAGE, {STREAM_FIELD: pack([entry])})
                    moved += 1
                pipe.xdel(names.EARLIER_AUDIT, entry_id)
            await pipe.execute()
    # An earlier version that still runs may have added one.
    await cast(Awaitable[None], redis.eval(_DELETE_IF_EMPTY, 1, names.EARLIER_AUDIT))
    if moved:
        _log.info("audit log: moved %d entries of an earlier version", moved)
    return moved


def _converted(entry_id: bytes, fields: dict[bytes, bytes]) -> AuditEntry | None:
    try:
        earlier = msgspec.json.decode(fields.get(b"entry", b""), type=_EarlierEntry)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        _log.error("audit log: dropped an unreadable entry of an earlier version: %s", entry_id.decode())
        return None
    owner = {} if earlier.owner is None else {"owner": earlier.owner}
    return new_entry(
        entry_id=hashlib.sha256(entry_id).hexdigest()[:32],
        created_at=earlier.at,
        actor=earlier.actor,
        act=earlier.action,
        object=earlier.key_id or earlier.user or "",
        address=earlier.address,
        before=json_text({}),
        after=json_text({**owner, **earlier.details}),
        result="ok",
    )
