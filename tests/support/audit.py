"""The entries of the audit log that are on their way to ClickHouse."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.audit.entry import AuditEntry, unpack
from gateway.redis import names


class RecordedAct(NamedTuple):
    """An entry without its id and time."""

    actor: str
    act: str
    object: str
    address: str
    before: dict[str, Any]
    after: dict[str, Any]
    result: str


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
