"""A subscription that says when it is down.

redis-py's own PubSub connects again in silence, and what was published meanwhile is lost. Here every loss is
told:
- `on_made` runs each time the subscription stands (again): what was published before may have been missed.
- `is_up` is true only while messages arrive; a connection that died without a word is noticed within
  two `PING_EVERY`, because the server is asked and must answer.
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

PING_EVERY = 2.0
"""Seconds without a message after which the server is asked whether it is there."""
FIRST_PAUSE = 0.05
"""Seconds before the first attempt to subscribe again; doubled each time."""
LONGEST_PAUSE = 1.0

log = logging.getLogger(__name__)


class Subscription:
    """Listens to one channel until it is stopped. The callbacks run on the loop.

    One that raises is logged, and the subscription is made again.
    """

    def __init__(
        self,
        redis: Redis,
        channel: str,
        *,
        on_made: Callable[[], None],
        on_message: Callable[[bytes], None],
        ping_every: float = PING_EVERY,
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._on_made = on_made
        self._on_message = on_message
        self._ping_every = ping_every
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_up = False

    async def start(self) -> None:
        """Start listening; returns after the first attempt, whether it stands (`is_up`) or goes on trying."""
        self._task = asyncio.create_task(self._run(), name=f"subscription to {self._channel}")
        await self._tried.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        told = False
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self.is_up:
                    pause, told = FIRST_PAUSE, False
                self.is_up = False
                self._tried.set()
                if not told:
                    log.warning("cannot hear of changes of keys: %s; trying again", error)
                    told = True
            except Exception:
                # A fault of a callback must not end the listening, which nobody would notice.
                log.exception("a change of a key was not dealt with; listening again")
            finally:
                self.is_up = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _listen(self) -> None:
        connection = await open_connection(self._redis)
        try:
            await connection.send_command("SUBSCRIBE", self._channel, check_health=False)
            await connection.read_response()
            self.is_up = True
            self._on_made()
            self._tried.set()
            await self._read(connection)
        finally:
            await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        asked = False
        while True:
            reply = await connection.read_response(timeout=self._ping_every)
            if reply is None and asked:
                raise RedisConnectionError("the server is silent")
            if reply is None:
                await connection.send_command("PING", check_health=False)
            elif reply[0] == b"message":
                self._on_message(reply[2])
            asked = reply is None
