"""Workers that check limits on one Redis, with a clock that a test sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import Redis

from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.proxy.admission.limits.limiter import Limiter
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.clock import Clock
from gateway.redis import names as redis_names
from tests.support.gateway import RecordingMetrics

NOON = 1_780_000_020_000
"""A time 20 s into a minute, in May."""


class FixedTime:
    """A wall clock and a monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.ms = NOON
        self.seconds = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.ms, lambda: self.seconds)


_open: list[LimitWorker] = []


async def close_workers() -> None:
    """Close all workers that were made."""
    while _open:
        await _open.pop().limiter.close()


class LimitWorker:
    """A worker, until `close_workers`."""

    def __init__(self, redis: Redis, time: FixedTime | None = None, allows_unchecked: bool = False) -> None:
        self.metrics = RecordingMetrics()
        self.limiter = Limiter(
            redis, (time or FixedTime()).clock, cast(Any, self.metrics), allows_unchecked=allows_unchecked
        )
        _open.append(self)

    async def consume(self, record: KeyRecord, *, requests: int = 1, tools: Sequence[str] = ("get",)) -> Deny | None:
        """Return why a request is refused, or `None`; an admitted one ends at once."""
        outcome = await self.admit(record, requests=requests, tools=tools)
        if isinstance(outcome, Deny):
            return outcome
        outcome.release()
        return None

    async def admit(self, record: KeyRecord, *, requests: int = 1, tools: Sequence[str] = ("get",)) -> Permit | Deny:
        """Return the permit of a request, or why it is refused."""
        try:
            return await self.limiter.admit(record, requests=requests, tools=tools)
        except RequestRejected as rejected:
            return rejected.deny

    async def settle(self, record: KeyRecord, records: int) -> Deny | None:
        """Return why a result is refused, or `None`."""
        return await self.limiter.settle(record, records)


def key(policy: OwnerPolicy | None = None, /, key_id: str = "key_1", **limits: Any) -> KeyRecord:
    return KeyRecord(
        key_id=key_id, key_name="k", key_prefix="sk-", owner="ann", created_at=0, owner_policy=policy, **limits
    )


async def move_windows(redis: Redis, seconds: int) -> None:
    """Make all requests appear to be older by -`seconds`, an even number."""
    for name in [
        *await redis.keys(redis_names.RATE_WINDOW + "*"),
        *await redis.keys(redis_names.TOOL_RATE_WINDOW + "*"),
    ]:
        buckets = await redis.hgetall(name)
        await redis.delete(name)
        await redis.hset(name, mapping={int(bucket) + seconds // 2: count for bucket, count in buckets.items()})


async def count(redis: Redis, name: str) -> int:
    """Return a counter."""
    return int(await redis.get(name) or 0)
