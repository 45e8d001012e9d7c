"""Connections to Redis or Valkey: one server, behind Sentinel, or a Cluster.

- Every wait is bounded: to connect, to be answered, and for a free connection of the pool. So a blocking read
  (`XREADGROUP … BLOCK`) must ask for less than `REPLY_TIMEOUT`.
- A command whose connection broke is sent once more on a new one (a pooled connection may be stale after a
  restart of the server), so whatever is sent must bear repeating. A command that was not answered in time is
  not sent again.
- All answers are bytes, in the shapes of RESP2, whatever the server speaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from gateway.event_loop.busy_poller import BusyPoller

CONNECT_TIMEOUT = 2.0
"""Seconds to make a connection."""
REPLY_TIMEOUT = 2.0
"""Seconds to an answer, and to a free connection of the pool."""
MAX_CONNECTIONS = 64
"""Connections of one client; further commands wait for a free one."""
FSYNC_TIMEOUT_MS = 1000
"""Milliseconds that a change waits for the disk of Redis; `appendfsync everysec` takes about a tenth of them."""

_REDIS_PORT = 6379
_SENTINEL_PORT = 26379


def connect(url: str) -> Redis:
    """A client for `url`; it connects at its first command and is ended with `aclose()`.

    Takes `redis://`, `rediss://`, `unix://`, `redis+sentinel://[user:password@]host:port,host:port/master[/db]`,
    `redis+cluster://[user:password@]host:port,host:port`, and both with `rediss+` for TLS. Raises
    `ValueError` for others.
    """
    kind = url.partition("://")[0].partition("+")[2]
    if kind == "sentinel":
        return _connect_sentinel(url)
    if kind == "cluster":
        return _connect_cluster(url)
    pool = BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=REPLY_TIMEOUT, **_options())
    return Redis.from_pool(pool)


async def open_connection(client: Redis) -> AbstractConnection:
    """A connection of its own, outside the client's pool, that is never re-made behind the caller's back.

    The caller ends it with `disconnect(nowait=True)`, and must send nothing on it once it is no longer
    `is_connected`. Raises `redis.exceptions.RedisError`.
    """
    some_client: object = client
    connection: AbstractConnection
    if isinstance(some_client, RedisCluster):
        # A message published anywhere in a cluster reaches the subscribers of every node.
        await some_client.initialize()
        node = some_client.get_random_node()
        connection = node.connection_class(**node.connection_kwargs)
    else:
        connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    connection.retry = Retry(NoBackoff(), 0)
    await connection.connect()  # type: ignore[no-untyped-call]
    return connection


class DedicatedRedisConnection(asyncio.Protocol):
    """A connection outside the client's pool, for one command at a time, with as little ado as can be.

    The client opens it, and then has no part in it. To a Cluster commands go through the client.
    """

    def __init__(self, client: Redis, reply_timeout: float) -> None:
        self._client = client
        self._answer_timeout = reply_timeout
        self._opened: AbstractConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._replies = hiredis.Reader()
        self._answered: Callable[[Any], None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._awake = BusyPoller()

    def send(self, command: tuple[Any, ...], answered: Callable[[Any], None]) -> bool:
        """Send a command, if the connection is open; `False` where it is not: `execute` opens it.

        Then `answered` is called once, in a later turn of the event loop, with the answer, or with an exception:
        `redis.exceptions.RedisError`, `TimeoutError`.
        """
        if self._transport is None:
            return False
        self._answered = answered
        self._deadline = self._loop.time() + self._answer_timeout
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_time)
        self._transport.write(hiredis.pack_command(command))
        return True

    def busy_poll(self) -> None:
        """Have the event loop wait awake for the answer, as long as it comes quickly."""
        self._awake.poll_while(lambda: self._answered is not None)

    async def execute(self, *command: Any) -> Any:
        """The answer to a command. Raises `redis.exceptions.RedisError`, `TimeoutError`.

        A command whose connection broke is sent once more on a new one; one that is not answered in time is not.
        """
        some_client: object = self._client
        if isinstance(some_client, RedisCluster):
            async with asyncio.timeout(self._answer_timeout):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        if self._transport is not None:
            with contextlib.suppress(RedisConnectionError):
                return await self._exchange(command)
        async with asyncio.timeout(self._answer_timeout):
            await self._open()
        return await self._exchange(command)

    def close(self) -> None:
        """End the connection."""
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

    async def _exchange(self, command: tuple[Any, ...]) -> Any:
        waiter = self._loop.create_future()
        self.send(command, functools.partial(_hand_over, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            # An answer that still comes would be taken for that of the next command.
            self.close()
            raise

    def _look_at_the_time(self) -> None:
        """One timer serves many commands: when it rings, it is set anew for the one that waits."""
        self._timer = None
        if self._answered is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_time)
        else:
            self.close()
            self._answer(TimeoutError())

    def _answer(self, answer: Any) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(answer)

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        self._replies.feed(data)
        reply = self._replies.gets()
        if reply is False:
            return
        if isinstance(reply, hiredis.ReplyError):
            reply = NoScriptError() if str(reply).startswith("NOSCRIPT") else ResponseError(str(reply))
        self._answer(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        self._answer(RedisConnectionError("the connection to Redis was lost"))


def _hand_over(waiter: asyncio.Future[Any], answer: Any) -> None:
    if waiter.done():
        return
    if isinstance(answer, Exception):
        waiter.set_exception(answer)
    else:
        waiter.set_result(answer)


async def eval_durable(client: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Run a script, and return its answer when the server's append-only file has on disk what it wrote.

    Waits for `FSYNC_TIMEOUT_MS` at most, and not at all where the server has no such file, does not know `WAITAOF`
    (before Redis 7.2) or is a Cluster. Raises `redis.exceptions.RedisError`.
    """
    some_client: object = client
    if isinstance(some_client, RedisCluster):
        return await client.eval(script, len(keys), *keys, *arguments)
    return (await _eval_and_wait(client, script, keys, arguments))[0]


async def wait_for_fsync(client: Redis, mark: str) -> bool:
    """Whether the server's append-only file has on disk all that was acknowledged before; writes the key `mark`.

    True where the server cannot say, as with `eval_durable`. Raises `redis.exceptions.RedisError`.
    """
    some_client: object = client
    if isinstance(some_client, RedisCluster):
        return True
    _, waited = await _eval_and_wait(client, "return redis.call('SET', KEYS[1], 1)", [mark], [])
    return isinstance(waited, ResponseError) or waited[0] > 0


async def _eval_and_wait(client: Redis, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> tuple[Any, Any]:
    # On one connection: a connection waits for its own writes, and what was written before them.
    async with client.pipeline(transaction=False) as pipe:
        pipe.eval(script, len(keys), *keys, *arguments)
        pipe.execute_command("WAITAOF", 1, 0, FSYNC_TIMEOUT_MS)
        answer, waited = await pipe.execute(raise_on_error=False)
    if isinstance(answer, Exception):
        raise answer
    return answer, waited


def _options() -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": REPLY_TIMEOUT,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        "protocol": 2,
        "decode_responses": False,
    }


def _credentials(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    given = {"username": parts.username, "password": parts.password}
    return {name: unquote(value) for name, value in given.items() if value}


def _hosts(netloc: str, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for entry in netloc.rpartition("@")[2].split(","):
        parts = urlsplit("//" + entry)
        if not parts.hostname:
            raise ValueError("the Redis URL names an empty host: check its commas")
        hosts.append((parts.hostname, parts.port or default_port))
    return hosts


class _SentinelRedis(Redis):
    """A client of the master that Sentinel names; it also closes the connections to Sentinel."""

    guide: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        await self.guide.aclose()


def _connect_sentinel(url: str) -> Redis:
    parts = urlsplit(url)
    master, _, db = parts.path.strip("/").partition("/")
    secure = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _hosts(parts.netloc, _SENTINEL_PORT),
        sentinel_kwargs=_options() | secure,
        **_options(),
        **_credentials(url),
        **secure,
        max_connections=MAX_CONNECTIONS,
        db=int(db or 0),
    )
    client = cast(_SentinelRedis, sentinel.master_for(unquote(master), redis_class=_SentinelRedis))
    client.guide = sentinel
    return client


def _connect_cluster(url: str) -> Redis:
    parts = urlsplit(url)
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in _hosts(parts.netloc, _REDIS_PORT)],
        max_connections=MAX_CONNECTIONS,
        ssl=parts.scheme.startswith("rediss"),
        **_options() | {"retry": Retry(ConstantBackoff(0.1), 3, supported_errors=(RedisConnectionError,))},
        **_credentials(url),
    )
    # It is no subclass, but has the same commands; all names share one slot, so that transactions are legal.
    return cast(Redis, cluster)
