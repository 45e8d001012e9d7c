"""Reading the counts of refused requests from the usage stream."""

from __future__ import annotations

from collections import Counter
from typing import Any

from redis.asyncio import Redis

from gateway.redis import names as redis_names
from gateway.usage.denial_count import STREAM_FIELD, DenialCount, unpack


async def streamed_counts(redis: Redis) -> list[DenialCount]:
    """Return all counts in the usage stream, in order."""
    entries: Any = await redis.xrange(redis_names.USAGE)
    field = STREAM_FIELD.encode()
    return [count for _, fields in entries if field in fields for count in unpack(fields[field])]


def sums(counts: list[DenialCount]) -> Counter[tuple[str, int, str]]:
    """Return the sums by tool, status and reason."""
    found = Counter[tuple[str, int, str]]()
    for count in counts:
        found[count.tool_name, count.status, count.reason] += count.count
    return found
