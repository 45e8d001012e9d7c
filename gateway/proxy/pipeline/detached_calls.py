"""Calls that go on after their client has disconnected, so that they are metered.

`DetachedCalls.detach` decides. A disconnect is noticed by `gateway.proxy.downstream.connection`, which cancels the task
of the request or calls `client_disconnected`; `detach` is then called by `gateway.proxy.fast_path.call` (through
`sending`), by `sending` while the response has not begun, or by `response_delivery`.

An upstream serves a stream to one connection at a time. While the gateway reads the stream of a detached call, a client
that resumes it (`Last-Event-ID`) would get nothing, from any worker. The rules:

- A detached call goes on until its response is complete, or until its client resumes the stream of its session. A
  listening stream ends with its client, and so does a call of revision 2026-07-28, in which a client cancels a call by
  closing the stream; but not if the client may have a part of the result, which would then be uncounted.
- A session with detached calls has a marker in Redis. A client that comes back deletes the marker, and each worker that
  misses its marker cancels the session's detached calls within `_POLL_SECONDS`.
- Only calls that are registered in the correlation store are cancelled this way: they are metered on whichever stream
  their response arrives.
- At most `_MAX_CALLS` are detached, and none after `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.accounting.correlation_models import Scope
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.streams.opening import ResponseStreams
from gateway.proxy.pipeline.streams.response_stream import ResponseStream
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.upstream.errors import UpstreamError
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.redis import names as redis_names
from gateway.usage.producer.spool import SpoolFull

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
"""Interval at which the markers in Redis are checked."""
_MARKER_SECONDS = 24 * 3600
"""Lifetime of a marker: longer than any call."""
_MAX_CALLS = 1000
_FIRST_WHERE_CLOSE_CANCELS = "2026-07-28"
"""The protocol revision from which on closing the stream cancels the call."""


class DetachedCalls:
    """The detached calls of a worker."""

    def __init__(self, redis: Redis, streams: ResponseStreams, pool: UpstreamPool, metrics: ProxyMetricsSink) -> None:
        self._redis = redis
        self._streams = streams
        self._pool = pool
        self._metrics = metrics
        self._tasks: dict[asyncio.Task[None], str] = {}
        """Tasks with the marker of their session; empty if no client can come back for the stream."""
        self._watcher: asyncio.Task[None] | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def detach(self, sent: SentRequest, stream: ResponseStream | None = None) -> bool:
        """Read a response without its client, and release its connection then. Return False if the call must end.

        `stream` is the stream in which the response was read so far, if it was.
        """
        exchange = sent.exchange
        is_cancelled = sent.request.head.protocol_version >= _FIRST_WHERE_CLOSE_CANCELS
        if not exchange.has_pending_results or (is_cancelled and not (stream is not None and stream.has_passed_result)):
            return False
        # Without registered calls, the client cannot have seen an event id to resume from.
        scope = exchange.scope if exchange.registered and exchange.has_session else None
        return self._start(self._read_response(sent, stream), scope)

    async def run_to_completion(self, sending: Coroutine[Any, Any, SentRequest]) -> SentRequest:
        """Await what must not stop halfway: if the client disconnects, it goes on, and its response is dropped."""
        task = asyncio.get_running_loop().create_task(sending)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not self._start(self._drop_response(task), None):
                task.cancel()
            raise

    async def release_stream(self, scope: Scope) -> None:
        """Cancel the detached calls of a session whose client has come back; return when its streams are free.

        The client may be back before the previous worker has noticed that it was gone, so the marker is checked twice.
        """
        with contextlib.suppress(RedisError):
            for _ in range(2):
                was_marked = await self._redis.delete(_marker(scope))
                await asyncio.sleep(2 * _POLL_SECONDS)
                if was_marked:
                    return

    async def close(self, seconds: float) -> None:
        """Wait for the detached calls, cancel those that are not complete by then, and accept no more."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        self._is_closed = True
        unfinished = list(self._tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._watcher is not None:
            await cancel_and_wait(self._watcher)

    def _start(self, work: Coroutine[Any, Any, None], scope: Scope | None) -> bool:
        """Start a task, cancelled when the client comes back for a stream of `scope`. Return False at the limit."""
        if self._is_closed or len(self._tasks) >= _MAX_CALLS:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = _marker(scope) if scope is not None else ""
        task.add_done_callback(self._tasks.pop)
        if scope is not None and (self._watcher is None or self._watcher.done()):
            self._watcher = asyncio.get_running_loop().create_task(self._watch_markers())
        return True

    async def _read_response(self, sent: SentRequest, stream: ResponseStream | None) -> None:
        try:
            await self._pool.wait_for_head(sent.connection)
            await (stream or self._streams.open(sent.connection, sent.exchange)).read_to_end()
        except RequestRejected:
            # Its usage is recorded, and there is no client to send the rejection to.
            pass
        except (UpstreamError, SpoolFull, CorrelationUnavailable) as error:
            log.warning("a detached call was not read to its end: %s", error)
            if isinstance(error, UpstreamError):
                self._metrics.upstream_failed(error.phase)
        finally:
            self._pool.release(sent.connection)

    async def _drop_response(self, task: asyncio.Task[SentRequest]) -> None:
        # The sender has counted what it rejects.
        with contextlib.suppress(RequestRejected):
            self._pool.release((await task).connection)

    async def _watch_markers(self) -> None:
        stored: set[str] = set()
        while markers := list(set(self._tasks.values()) - {""}):
            try:
                for marker in set(markers) - stored:
                    await self._redis.set(marker, b"", ex=_MARKER_SECONDS)
                stored.update(markers)
                await asyncio.sleep(_POLL_SECONDS)
                found = await self._redis.mget(markers)
            except RedisError:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            deleted = {marker for marker, value in zip(markers, found, strict=True) if value is None}
            stored -= deleted
            for task, marker in list(self._tasks.items()):
                if marker in deleted:
                    task.cancel()


def _marker(scope: Scope) -> str:
    return redis_names.DETACHED_CALLS + scope.digest()
