"""Entries of the audit log, and those that are on their way to ClickHouse."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.audit.entry import AuditEntry, new_entry, unpack
from gateway.redis import names
from tests.usage.support import NOW_MS


class RecordedAct(NamedTuple):
    """An entry without its id and time."""

    actor: str
    act: str
    object: str
    address: str
    before: dict[str, Any]
    after: dict[str, Any]
    result: str


def audit_entry(**values: Any) -> AuditEntry:
    """Return an entry with a unique id."""
    return new_entry(
        **{
            "created_at": NOW_MS,
            "actor": "root@example.com",
            "act": "key.update",
            "object": "key_1",
            "address": "192.0.2.7",
            "before": "{}",
            "after": "{}",
            "result": "ok",
            **values,
        }
    )


async def audit_entries(redis: Redis) -> list[AuditEntry]:
    """Return the entries in the usage stream, newest first."""
    found: Any = await redis.xrevrange(names.USAGE)
    return [one for _, fields in found if b"a" in fields for one in unpack(fields[b"a"])]


async def recorded_acts(redis: Redis) -> list[RecordedAct]:
    """Return what the entries in the usage stream describe, newest first."""
    return [
        RecordedAct(
            one.actor, one.act, one.object, one.address, json.loads(one.before), json.loads(one.after), one.result
        )
        for one in await audit_entries(redis)
    ]
