"""A pub/sub subscription that reports when it is interrupted.

redis-py's own PubSub reconnects silently, and messages that were published meanwhile are lost. Here

- `on_subscribed` is called each time the subscription is (re-)established: earlier messages may have been missed;
- `is_subscribed` is true only while messages arrive. A dead connection is noticed within twice `PING_INTERVAL`, because
  a silent server is sent a PING and has to answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.redis.client import open_connection

PING_INTERVAL = 2.0
"""Seconds without a message after which the server is sent a PING."""
INITIAL_BACKOFF = 0.05
"""Seconds before the first attempt to subscribe again; doubled after each attempt."""
MAX_BACKOFF = 1.0

log = logging.getLogger(__name__)


class Subscription:
    """Subscribes to one channel until it is stopped. The callbacks run on the event loop.

    If a callback raises, the error is logged and the subscription is established again.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        *,
        on_subscribed: Callable[[], None],
        on_message: Callable[[bytes], None],
        ping_interval: float = PING_INTERVAL,
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._on_subscribed = on_subscribed
        self._on_message = on_message
        self._ping_interval = ping_interval
        self._attempted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_subscribed = False

    async def start(self) -> None:
        """Subscribe; return after the first attempt, even if it failed and further ones follow."""
        self._task = asyncio.create_task(self._run(), name=f"subscription to {self._channel}")
        await self._attempted.wait()

    async def stop(self) -> None:
        """Unsubscribe."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None

    async def _run(self) -> None:
        backoff = INITIAL_BACKOFF
        is_logged = False
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self.is_subscribed:
                    backoff, is_logged = INITIAL_BACKOFF, False
                self.is_subscribed = False
                self._attempted.set()
                if not is_logged:
                    log.warning("subscription to the Redis channel %s failed: %s; retrying", self._channel, error)
                    is_logged = True
            except Exception:
                # A fault of a callback must not end the subscription unnoticed.
                log.exception("a message of the Redis channel %s was not handled; subscribing again", self._channel)
            finally:
                self.is_subscribed = False
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF)

    async def _listen(self) -> None:
        connection = await open_connection(self._redis)
        try:
            # A server that still loads its data accepts SUBSCRIBE, but refuses this.
            await connection.send_command("PING", check_health=False)
            await connection.read_response()
            await connection.send_command("SUBSCRIBE", self._channel, check_health=False)
            await connection.read_response()
            self.is_subscribed = True
            self._on_subscribed()
            self._attempted.set()
            await self._read(connection)
        finally:
            await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        is_pinged = False
        while True:
            reply = await connection.read_response(timeout=self._ping_interval)
            if reply is None and is_pinged:
                raise RedisConnectionError("the server does not answer PING")
            if reply is None:
                await connection.send_command("PING", check_health=False)
            elif reply[0] == b"message":
                self._on_message(reply[2])
            is_pinged = reply is None
