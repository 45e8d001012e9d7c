"""Commands that a gateway worker sends to Redis for its usage events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError

from gateway.redis import names as redis_names
from gateway.redis.durable_writes import wait_for_fsync
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.append_script import (
    ACCEPTED_TTL_SECONDS,
    APPEND,
    APPEND_SHA,
    REPORT_SPOOLED,
    append_arguments,
    check_reply,
)
from gateway.usage.producer.channel import AcceptedCounter
from gateway.usage.producer.spool_format import SpoolRecord

STREAM_BOUND = 5_000_000
"""Entries; about a gigabyte of Redis memory."""
REPLY_TIMEOUT = 2.0
"""Seconds to the reply to each command."""
_LOG_SECONDS = 60.0

log = logging.getLogger(__name__)
Execute = Callable[..., Awaitable[Any]]


class ThrottledErrorLog:
    """Logs an error at most once a minute; metrics count every one."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._logged_at = float("-inf")

    def error(self, message: str, *values: object) -> None:
        if self._monotonic() - self._logged_at >= _LOG_SECONDS:
            self._logged_at = self._monotonic()
            log.error(message, *values)


class UsageStreamClient:
    """The usage stream in Redis, as a worker writes to it. Methods raise what the Redis client raises."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        metrics: UsageMetricsSink,
        errors: ThrottledErrorLog,
        *,
        reply_timeout: float = REPLY_TIMEOUT,
        stream_bound: int = STREAM_BOUND,
    ) -> None:
        self._redis = redis
        self._metrics = metrics
        self._errors = errors
        self.reply_timeout = reply_timeout
        self._bound = stream_bound

    async def append(self, record: SpoolRecord, execute: Execute | None = None) -> None:
        """Add a live batch, on the connection of `execute`. Raises `RedisLostEntries` if its predecessor is unknown."""
        await self._run(execute or self._redis.execute_command, append_arguments(record))

    async def replay(self, record: SpoolRecord, unsent_events: int) -> None:
        """Add a batch that Redis may have; `unsent_events` of its process are then still to be sent."""
        async with asyncio.timeout(self.reply_timeout):
            await self._run(self._redis.execute_command, append_arguments(record, unsent_events))

    async def last_numbers(self, channels: Sequence[str]) -> list[int]:
        """Return the number of the last batch that arrived through each channel, 0 for an unknown channel."""
        if not channels:
            return []
        async with asyncio.timeout(self.reply_timeout):
            found = await self._redis.mget([redis_names.USAGE_CHANNEL + channel for channel in channels])
        return [int(number or 0) for number in found]

    async def is_durable(self) -> bool:
        """Return True if Redis has on its own disk all that it has acknowledged."""
        async with asyncio.timeout(self.reply_timeout):
            return await wait_for_fsync(self._redis, redis_names.FSYNC_MARKER)

    async def report_spooled(self, accepted: AcceptedCounter, spooled: int) -> None:
        """Publish how many events only the spool has, and how many were accepted in total."""
        days = list(accepted.totals)
        keys = [redis_names.USAGE_SPOOLED_ONLY, *(f"{redis_names.USAGE_ACCEPTED}{day}" for day in days)]
        totals = [accepted.totals[day] for day in days]
        async with asyncio.timeout(self.reply_timeout):
            await self._redis.eval(
                REPORT_SPOOLED, len(keys), *keys, accepted.source, spooled, ACCEPTED_TTL_SECONDS, *totals
            )

    async def forget_process(self, process: str) -> None:
        """Remove the report of an ended process whose spool is empty."""
        async with asyncio.timeout(self.reply_timeout):
            await self._redis.hdel(redis_names.USAGE_SPOOLED_ONLY, process)

    def report_length(self, length: int) -> None:
        """Publish the stream's length; log an error if it exceeds the bound."""
        self._metrics.stream_length(length, self._bound)
        if length > self._bound:
            self._errors.error("usage stream: %d entries wait, more than the bound of %d", length, self._bound)

    async def _run(self, execute: Execute, arguments: tuple[Any, ...]) -> None:
        try:
            length = await execute("EVALSHA", APPEND_SHA, *arguments)
        except NoScriptError:
            length = await execute("EVAL", APPEND, *arguments)
        check_reply(length)
        self.report_length(length)
