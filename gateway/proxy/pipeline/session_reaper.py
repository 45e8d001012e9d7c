"""Ends sessions upstream that no key has claimed before their deadline."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from gateway.proxy.admission.sessions import Sessions
from gateway.proxy.pipeline.upstream_request import UpstreamRequestBuilder
from gateway.proxy.upstream.errors import UpstreamError
from gateway.proxy.upstream.pool import UpstreamPool

log = logging.getLogger(__name__)

_BATCH = 100
"""Maximum number of sessions that are ended per interval."""


class SessionReaper:
    """Ends unclaimed sessions."""

    def __init__(self, sessions: Sessions, requests: UpstreamRequestBuilder, pool: UpstreamPool) -> None:
        self._sessions = sessions
        self._requests = requests
        self._pool = pool

    async def run(self, interval: float) -> None:
        """End the expired sessions at every interval, in seconds, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                for session_id in await self._sessions.take_expired(_BATCH):
                    await self._end(session_id)
            except RedisError:
                log.warning("unclaimed sessions were not ended: Redis is unavailable")

    async def _end(self, session_id: str) -> None:
        head = self._requests.session_end_head(session_id)
        try:
            connection = await self._pool.send_request(head, None)
            try:
                await self._pool.wait_for_head(connection)
            finally:
                self._pool.release(connection)
        except UpstreamError as error:
            log.warning("an unclaimed session was not ended upstream: %s", error)
