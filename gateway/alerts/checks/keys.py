"""Finds keys and owners that have nearly used a limit, and keys that end soon.

All keys are read in pages, with one round trip for the records of a page, one for the policies of its owners, and one
for the use of its limits. Limits of calls in flight have no window and cause no alert.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial

from redis.asyncio import Redis

from gateway.alerts.alert import Cause
from gateway.alerts.causes import LimitHolder, key_end_cause, limit_causes
from gateway.keys.limit_use import read_uses
from gateway.keys.limits import Limit, limits_of, limits_of_policy
from gateway.keys.listing import record_pages
from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyRecord, OwnerPolicy

_PAGE = 200
"""Keys or limits that are handled in one turn of the event loop, which takes a few milliseconds."""


_Limits = Mapping[Limit, Callable[[], LimitHolder]]
"""Limits, and descriptions of the keys or owners that they belong to."""


class KeyCheck:
    """Checks all keys. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._policies = PolicyStore(redis)
        self._now_ms = now_ms

    async def find(self) -> Sequence[Cause]:
        """Return the causes that exist now."""
        return [cause async for cause in self._causes()]

    async def _causes(self) -> AsyncIterator[Cause]:
        owners: set[str] = set()
        async for records in record_pages(self._redis, _PAGE):
            now = self._now_ms()
            living = [record for record in records if record.counts(now)]
            for record in living:
                if (cause := key_end_cause(record, now)) is not None:
                    yield cause
            new_owners = {record.owner for record in living} - owners
            owners |= new_owners
            for limits in (_limits_of_keys(living), await self._limits_of_owners(new_owners)):
                for cause in await self._limit_causes(limits):
                    yield cause

    async def _limits_of_owners(self, owners: set[str]) -> _Limits:
        names = sorted(owners)
        policies: Sequence[OwnerPolicy] = await self._policies.get_all(names)
        return {
            limit: partial(LimitHolder.owner, owner)
            for owner, policy in zip(names, policies, strict=True)
            for limit in _windows(limits_of_policy(owner, policy))
        }

    async def _limit_causes(self, limits: _Limits) -> Sequence[Cause]:
        ordered = list(limits)
        causes: list[Cause] = []
        for start in range(0, len(ordered), _PAGE):
            for use in await read_uses(self._redis, ordered[start : start + _PAGE], self._now_ms()):
                causes += limit_causes(limits[use.limit], use)
        return causes


def _limits_of_keys(records: Sequence[KeyRecord]) -> _Limits:
    return {limit: partial(LimitHolder.key, record) for record in records for limit in _windows(limits_of(record))}


def _windows(limits: Sequence[Limit]) -> list[Limit]:
    return [limit for limit in limits if limit.period is not None]
