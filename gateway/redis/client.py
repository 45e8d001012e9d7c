"""Clients of Redis or Valkey: one server, a master behind Sentinel, or a Cluster.

- Every wait is bounded: for a connection, for a reply, and for a free connection of the pool. A blocking read
  (`XREADGROUP … BLOCK`) must therefore ask for less than `REPLY_TIMEOUT`.
- A command whose connection broke is sent a second time, on a new connection, because a pooled one may be stale after a
  restart of the server. A command that timed out is not sent again.
- Commands should therefore be idempotent. Exceptions: counting against a limit (`proxy.admission.limits`), releasing a
  reservation and removing an expired session (`proxy.admission.sessions`). Sent twice, they count twice, release two,
  or report no session. An audit entry that is added twice has one id, under which it counts once.
- All replies are bytes in the types of RESP2, whatever the server speaks.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_TIMEOUT = 2.0
"""Seconds to establish a connection."""
REPLY_TIMEOUT = 2.0
"""Seconds to a reply, and to a free connection of the pool."""
MAX_CONNECTIONS = 64
"""Connections of one client; further commands wait for a free one."""

_REDIS_PORT = 6379
_SENTINEL_PORT = 26379


def connect(url: str) -> Redis:
    """Return a client for `url`. It connects at its first command, and ends with `aclose()`.

    Accepts `redis://`, `rediss://`, `unix://`, `redis+sentinel://[user:password@]host:port,host:port/master[/db]` and
    `redis+cluster://[user:password@]host:port,host:port`; the last two also as `rediss+…://`, for TLS. Raises
    `ValueError` for others.
    """
    mode = url.partition("://")[0].partition("+")[2]
    if mode == "sentinel":
        return _connect_sentinel(url)
    if mode == "cluster":
        return _connect_cluster(url)
    pool = BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=REPLY_TIMEOUT, **_options())
    return Redis.from_pool(pool)


def is_cluster(client: Redis) -> bool:
    """Return True for a client of a Cluster, which `connect` types as `Redis`."""
    some_client: object = client
    return isinstance(some_client, RedisCluster)


async def open_connection(client: Redis) -> AbstractConnection:
    """Open a connection outside the client's pool, which is never re-established implicitly.

    The caller ends it with `disconnect(nowait=True)`, and must send nothing on it once it is no longer `is_connected`.
    Raises `redis.exceptions.RedisError`.
    """
    some_client: object = client
    connection: AbstractConnection
    if isinstance(some_client, RedisCluster):
        # Any node will do: a message published to a Cluster reaches the subscribers of all nodes.
        await some_client.initialize()
        node = some_client.get_random_node()
        connection = node.connection_class(**node.connection_kwargs)
    else:
        connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    connection.retry = Retry(NoBackoff(), 0)
    await connection.connect()  # type: ignore[no-untyped-call]
    return connection


class _SentinelRedis(Redis):
    """A client of the master that Sentinel names. It also closes the connections to Sentinel."""

    sentinel_client: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        await self.sentinel_client.aclose()


def _connect_sentinel(url: str) -> Redis:
    parts = urlsplit(url)
    master, _, db = parts.path.strip("/").partition("/")
    tls = {"ssl": True} if parts.scheme.startswith("rediss") else {}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _hosts(parts.netloc, _SENTINEL_PORT),
        sentinel_kwargs=_options() | tls,
        **_options(),
        **_credentials(url),
        **tls,
        max_connections=MAX_CONNECTIONS,
        db=int(db or 0),
    )
    client = cast(_SentinelRedis, sentinel.master_for(unquote(master), redis_class=_SentinelRedis))
    client.sentinel_client = sentinel
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
    # Not a subclass, but it has the same commands. All key names share one slot, so transactions are allowed.
    return cast(Redis, cluster)


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
    credentials = {"username": parts.username, "password": parts.password}
    return {name: unquote(value) for name, value in credentials.items() if value}


def _hosts(netloc: str, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for entry in netloc.rpartition("@")[2].split(","):
        parts = urlsplit("//" + entry)
        if not parts.hostname:
            raise ValueError("the Redis URL names an empty host: check its commas")
        hosts.append((parts.hostname, parts.port or default_port))
    return hosts
