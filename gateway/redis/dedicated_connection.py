"""A dedicated connection to Redis for one command at a time, which costs less than a command through the client.

| state   | `_transport` | `_on_reply` | event                                      | next state                  |
| ------- | ------------ | ----------- | ------------------------------------------ | --------------------------- |
| closed  | `None`       | `None`      | `execute`                                  | idle, when it has connected |
| idle    | set          | `None`      | `send`, `execute`                          | waiting                     |
| waiting | set          | set         | a reply                                    | idle                        |
| waiting | set          | set         | time-out, or the waiting task is cancelled | closed                      |
| any     |              |             | the connection is lost, `close`            | closed                      |

A connection with a reply outstanding is never used again: that reply would be taken for the one to the next command.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from gateway.event_loop.busy_poller import BusyPoller
from gateway.redis.client import is_cluster, open_connection

OnReply = Callable[[Any], None]
"""Called with the reply to a command, or with an exception."""


class DedicatedRedisConnection(asyncio.Protocol):
    """A connection outside the client's pool. The client opens it, and then takes no part in it.

    On a Cluster, commands go through the client.
    """

    def __init__(self, client: Redis, reply_timeout: float) -> None:
        self._client = client
        self._reply_timeout = reply_timeout
        self._opened: AbstractConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._replies = hiredis.Reader()
        self._on_reply: OnReply | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._busy_poller = BusyPoller()

    def send(self, command: tuple[Any, ...], on_reply: OnReply) -> bool:
        """Send a command and return True, or return False if the connection is closed; `execute` opens it.

        `on_reply` is called once, in a later turn of the event loop, with the reply or with an exception:
        `redis.exceptions.RedisError` or `TimeoutError`.
        """
        if self._transport is None:
            return False
        self._on_reply = on_reply
        self._deadline = self._loop.time() + self._reply_timeout
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        self._transport.write(hiredis.pack_command(command))
        return True

    def busy_poll(self) -> None:
        """Busy-poll the event loop for the reply, see `BusyPoller`."""
        self._busy_poller.poll_while(lambda: self._on_reply is not None)

    async def execute(self, *command: Any) -> Any:
        """Return the reply to a command. Raises `redis.exceptions.RedisError`, `TimeoutError`.

        A command whose connection broke is sent a second time, on a new one; a command that timed out is not.
        """
        if is_cluster(self._client):
            async with asyncio.timeout(self._reply_timeout):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        if self._transport is not None:
            with contextlib.suppress(RedisConnectionError):
                return await self._send_and_wait(command)
        async with asyncio.timeout(self._reply_timeout):
            await self._open()
        return await self._send_and_wait(command)

    def close(self) -> None:
        """Close the connection."""
        transport, self._transport = self._transport, None
        opened, self._opened = self._opened, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if transport is not None:
            transport.abort()
        if opened is not None:
            opened._close()  # type: ignore[no-untyped-call]

    async def _open(self) -> None:
        self._opened = await open_connection(self._client)
        assert self._opened._writer is not None
        self._loop = asyncio.get_running_loop()
        self._replies = hiredis.Reader()
        self._transport = cast(asyncio.Transport, self._opened._writer.transport)
        self._transport.set_protocol(self)

    async def _send_and_wait(self, command: tuple[Any, ...]) -> Any:
        waiter = self._loop.create_future()
        self.send(command, functools.partial(_resolve, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def _check_deadline(self) -> None:
        """Time the command out, or set the timer anew: one timer serves many commands."""
        self._timer = None
        if self._on_reply is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        else:
            self.close()
            self._finish(TimeoutError())

    def _finish(self, reply: Any) -> None:
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is not None:
            on_reply(reply)

    # asyncio.Protocol.

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        reply = self._replies.gets()
        if reply is False:
            return
        if isinstance(reply, hiredis.ReplyError):
            reply = NoScriptError() if str(reply).startswith("NOSCRIPT") else ResponseError(str(reply))
        self._finish(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        self._finish(RedisConnectionError("the connection to Redis was lost"))


def _resolve(waiter: asyncio.Future[Any], reply: Any) -> None:
    if waiter.done():
        return
    if isinstance(reply, Exception):
        waiter.set_exception(reply)
    else:
        waiter.set_result(reply)
