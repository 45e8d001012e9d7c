"""Sends the checks of a worker to Redis: all checks of one turn of the event loop in one run of the script.

- Checks use a dedicated connection, one command at a time. Checks that arrive before its reply share the next command.
- A command whose connection broke is sent a second time, although Redis may have run it. Then it consumes twice, which
  never admits too much. Operations that give units back are not repeated, as that could admit too much.
- After a failure, checks fail immediately for `RETRY_SECONDS`: no request waits for a Redis that was just unavailable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.proxy.admission.limits.script import SCRIPT, SHA, Bucket, Operation, read_replies, script_arguments
from gateway.redis.dedicated_connection import DedicatedRedisConnection

log = logging.getLogger(__name__)

REPLY_TIMEOUT = 2.0
"""Seconds within which Redis must reply to a command."""
RETRY_SECONDS = 0.5
OUTAGE_SECONDS = 3.0
"""Seconds without a reply that count as an outage; and seconds after it within which all workers renew their slots."""
MAX_CHECKS = 256
"""Maximum number of checks in one command."""
_NOTHING = Operation("release", (), ())
"""An operation without an effect."""


class Check(Protocol):
    """Operations to run in Redis, and the handling of their replies. Each method is called at most once."""

    def operations(self) -> Sequence[Operation]:
        """Return the operations to run, when the check is sent."""

    def complete(self, bucket: Bucket, sent_at: float, replies: Iterator[Any]) -> None:
        """Take as many replies as there were operations; these were sent at a monotonic time."""

    def fail(self) -> None:
        """Handle that Redis is unavailable. Called instead of `complete`; before `operations` if nothing was sent."""


class RunOperations:
    """Runs operations without waiting for them. A failure loses them."""

    def __init__(self, make: Callable[[], Sequence[Operation]], on_reply: Callable[[Any], None] | None = None) -> None:
        """`on_reply` gets each reply."""
        self._make = make
        self._on_reply = on_reply
        self._sent = 0

    def operations(self) -> Sequence[Operation]:
        operations = self._make()
        self._sent = len(operations)
        return operations

    def complete(self, bucket: Bucket, sent_at: float, replies: Iterator[Any]) -> None:
        for _ in range(self._sent):
            reply = next(replies)
            if self._on_reply is not None:
                self._on_reply(reply)

    def fail(self) -> None:
        pass


class LimitChecks:
    """The checks that a worker sends to Redis."""

    def __init__(self, client: Redis, monotonic: Callable[[], float]) -> None:
        self._connection = DedicatedRedisConnection(client, REPLY_TIMEOUT)
        self._monotonic = monotonic
        self._waiting: deque[Check] = deque()
        self._is_busy = False
        self._is_scheduled = False
        self._is_idle = asyncio.Event()
        self._failed_until = float("-inf")
        self._replied_at = monotonic()
        self._outage = 0.0
        """Seconds that the last outage lasted; 0 if it ended a while ago."""
        self._outage_ended_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def submit(self, check: Check, *, is_alone: bool = False) -> None:
        """Send a check at the end of this turn of the event loop, or immediately if no other is expected in it."""
        self._waiting.append(check)
        if self._is_busy or self._is_scheduled:
            return
        if is_alone and self._monotonic() >= self._failed_until:
            self._dispatch()
            self._connection.busy_poll()
        else:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._end_of_turn)

    async def close(self) -> None:
        """Wait for the replies to all checks, and disconnect."""
        if self._is_busy or self._waiting:
            self._is_idle.clear()
            await self._is_idle.wait()
        self._connection.close()

    def _end_of_turn(self) -> None:
        self._is_scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        if not self._waiting:
            return
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_CHECKS))]
        self._is_busy = True
        if self._monotonic() < self._failed_until:
            self._finish(batch, 0.0, None)
            return
        operations = [operation for check in batch for operation in check.operations()]
        arguments, sent_at = script_arguments(operations, self._outage_ms()), self._monotonic()
        if not self._connection.send(("EVALSHA", SHA, *arguments), partial(self._on_reply, batch, operations, sent_at)):
            self._retry(batch, operations)

    def _outage_ms(self) -> int:
        return round(max(self._outage, self._monotonic() - self._replied_at) * 1000) if self.is_after_outage else 0

    @property
    def is_after_outage(self) -> bool:
        """True from the end of an outage until all workers have had the time to renew their slots."""
        return bool(self._outage) or self._monotonic() - self._replied_at > OUTAGE_SECONDS

    def _on_reply(self, batch: Sequence[Check], operations: list[Operation], sent_at: float, reply: Any) -> None:
        if isinstance(reply, NoScriptError):
            self._retry(batch, operations)
        elif isinstance(reply, RedisConnectionError):
            self._retry(batch, [_NOTHING if each.opcode == "give_back" else each for each in operations])
        else:
            self._finish(batch, sent_at, None if isinstance(reply, Exception) else reply)

    def _retry(self, batch: Sequence[Check], operations: list[Operation]) -> None:
        """Send checks in a task, which opens the connection and loads the script if needed."""
        arguments = script_arguments(operations, self._outage_ms())
        self._task = asyncio.get_running_loop().create_task(self._send_again(batch, arguments))

    async def _send_again(self, batch: Sequence[Check], arguments: list[Any]) -> None:
        sent_at, reply = self._monotonic(), None
        try:
            try:
                reply = await self._connection.execute("EVALSHA", SHA, *arguments)
            except NoScriptError:
                reply = await self._connection.execute("EVAL", SCRIPT, *arguments)
        except (RedisError, OSError, TimeoutError):
            pass
        finally:
            self._finish(batch, sent_at, reply)

    def _note_reply(self) -> None:
        now = self._monotonic()
        if now - self._replied_at > OUTAGE_SECONDS:
            self._outage, self._outage_ended_at = now - self._replied_at, now
        elif now - self._outage_ended_at > OUTAGE_SECONDS:
            self._outage = 0.0
        self._replied_at = now

    def _finish(self, batch: Sequence[Check], sent_at: float, reply: Any) -> None:
        """Report a reply, or `None` for a failure, to the checks, and send those that have been submitted meanwhile."""
        self._is_busy = False
        # Checks that failed without being sent do not prolong the pause.
        if reply is None and self._monotonic() >= self._failed_until:
            self._failed_until = self._monotonic() + RETRY_SECONDS
        if reply is not None:
            self._note_reply()
        bucket, replies = read_replies(reply) if reply is not None else (Bucket(0, 0.0), iter(()))
        for check in batch:
            try:
                if reply is None:
                    check.fail()
                else:
                    check.complete(bucket, sent_at, replies)
            except Exception:
                log.exception("the check of a limit failed")
        if self._waiting and not self._is_scheduled and not self._is_busy:
            self._dispatch()
        elif not self._waiting:
            self._is_idle.set()
