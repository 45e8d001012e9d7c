"""Runs the checks and the sender, in one of several admin processes.

- The process that holds the lease works; when it stops or is killed, another one takes over within `LEASE_SECONDS`.
- Two processes that both believe to hold the lease raise no alert twice, but may send one twice.
- If Redis is unavailable, everything is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.alerts.alert import Cause
from gateway.alerts.queue import AlertQueue
from gateway.alerts.sender import AlertSender
from gateway.alerts.webhook import WebhookAddress
from gateway.event_loop.tasks import cancel_and_wait
from gateway.redis import names as redis_names
from gateway.redis.lease import Lease

LEASE_SECONDS = 5.0
POLL_SECONDS = 1.0
"""Interval at which the lease is renewed and due alerts are sent."""
_ANNOUNCED_MS = 15_000
_LONGEST_PAUSE_SECONDS = 20.0

log = logging.getLogger(__name__)

Find = Callable[[], Awaitable[Sequence[Cause]]]


class Check(NamedTuple):
    """A job that is done periodically, and finds causes, if any."""

    name: str
    seconds: float
    find: Find
    is_expensive: bool = False
    """True if the check is made less often where it takes long."""


class AnnouncedWebhook(msgspec.Struct, frozen=True):
    """The receiver that the running sender uses."""

    host: str
    is_signed: bool


class AlertService:
    """Looks for causes and sends alerts. Run one in each admin process that has a webhook."""

    def __init__(
        self,
        redis: Redis,
        queue: AlertQueue,
        sender: AlertSender,
        address: WebhookAddress,
        checks: Sequence[Check],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._sender = sender
        self._announcement = msgspec.json.encode(AnnouncedWebhook(address.host, address.secret is not None))
        self._checks = checks
        self._poll_seconds = poll_seconds
        self._lease = Lease(redis, redis_names.ALERT_LEASE, secrets.token_hex(8), LEASE_SECONDS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work for the duration of the context."""
        jobs = [
            Check("lease", self._poll_seconds, self._keep_lease),
            Check("sending", self._poll_seconds, self._while_leading(self._send_due)),
            *(check._replace(find=self._while_leading(check.find)) for check in self._checks),
        ]
        tasks = [asyncio.create_task(self._repeat(job), name=f"alerts-{job.name}") for job in jobs]
        try:
            yield
        finally:
            await asyncio.gather(*map(cancel_and_wait, tasks))
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._lease.release()

    async def _repeat(self, job: Check) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._queue.raise_alerts(await job.find())
            except (RedisError, OSError) as error:
                log.debug("alerts: %s: %s", job.name, error)
            except Exception:
                log.exception("alerts: %s failed, trying again", job.name)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * (loop.time() - started)) if job.is_expensive else 0.0
            await asyncio.sleep(max(job.seconds, pause))

    def _while_leading(self, find: Find) -> Find:
        async def find_if_leading() -> Sequence[Cause]:
            return await find() if self._lease.is_held else ()

        return find_if_leading

    async def _keep_lease(self) -> Sequence[Cause]:
        if await self._lease.acquire():
            await self._redis.set(redis_names.WEBHOOK, self._announcement, px=_ANNOUNCED_MS)
        return ()

    async def _send_due(self) -> Sequence[Cause]:
        while self._lease.is_held and await self._sender.send_due():
            pass
        return ()


async def announced_webhook(redis: Redis) -> AnnouncedWebhook | None:
    """Return the receiver of the running sender; `None` if there is none. Raises `redis.exceptions.RedisError`."""
    found = await redis.get(redis_names.WEBHOOK)
    return None if found is None else msgspec.json.decode(found, type=AnnouncedWebhook)
