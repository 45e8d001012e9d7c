"""The usage stream as a gateway worker uses it: makes usage events durable, in the spool and in Redis.

| an event is | until | then |
| --- | --- | --- |
| queued | a channel is idle | sent to Redis and written to the spool, in one step |
| queued | Redis is unavailable, or more than `MAX_QUEUED_EVENTS` wait | written to the spool alone |
| in flight | Redis acknowledges | durable, also without a copy on disk |
| in flight | Redis returns an error, or does not reply in time | durable if the spool has it, else refused |
| in the spool alone | it was written | durable; sent later by the replay |
| in the spool alone | it cannot be written | refused: `SpoolFull`, and its response must not be completed |

Rules:
- `submit` and `submit_callback` report an event when it is durable or refused, and not earlier.
- All events of one turn of the event loop travel in one entry. An event marked `is_alone` does not wait for the end
  of the turn. While every channel is busy, further events join the batch that waits.
- Cancelling a caller does not stop its batch.
- Sending twice adds once, and lost entries are noticed: the batches of a channel are numbered, and Redis stores the
  last number in the script that adds the entry. A live batch is added only if its predecessor is known. If it is not,
  Redis has lost acknowledged entries (killed before it wrote its file, or replaced by a replica), and the spool is
  replayed in order. Replayed entries, and those with `possibly_duplicate` events, are marked (field `again`), since
  the writer may have stored them before. A channel whose batch failed gets a new name, so that the order of its
  batches is that of their numbers.
- Accepted events are counted before they are sent. The count travels with each batch (`gateway.usage.reconciliation`).
- Redis must reply within `reply_timeout` seconds. After a failure all events go to the spool, until a replay succeeds.
- The stream is never trimmed. A length above `stream_bound` is reported.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property, partial
from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from gateway.redis.dedicated_connection import DedicatedRedisConnection
from gateway.usage.event import UsageEvent
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.append_script import APPEND_SHA, append_arguments, check_reply
from gateway.usage.producer.batch import BatchQueue, EventBatch, OnDurable
from gateway.usage.producer.channel import AcceptedCounter, ChannelState, RedisChannel, SequencedChannel
from gateway.usage.producer.replay_task import ReplayTask
from gateway.usage.producer.spool import Spool, SpoolFull
from gateway.usage.producer.spool_format import SpoolRecord
from gateway.usage.producer.stream_client import REPLY_TIMEOUT, STREAM_BOUND, ThrottledErrorLog, UsageStreamClient

CHANNELS = 2
"""Batches in flight at a time: one fills while another is sent. The fewer there are, the more events each carries."""
MAX_QUEUED_EVENTS = 20_000
"""Events that wait for a channel; further ones go to the spool."""

_IDLE, _SENDING, _RETRYING = ChannelState.IDLE, ChannelState.SENDING, ChannelState.RETRYING

log = logging.getLogger(__name__)


class UsageStream:
    """Takes the usage events of one gateway worker."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        spool: Spool,
        *,
        reply_timeout: float = REPLY_TIMEOUT,
        stream_bound: int = STREAM_BOUND,
        channels: int = CHANNELS,
        metrics: UsageMetricsSink | None = None,
    ) -> None:
        """Each channel has a dedicated connection. Commands on the connections of `redis` may be retried."""
        self._spool = spool
        self._metrics = metrics or UsageMetricsSink()
        self._errors = ThrottledErrorLog()
        self.client = UsageStreamClient(
            redis, self._metrics, self._errors, reply_timeout=reply_timeout, stream_bound=stream_bound
        )
        accepted = AcceptedCounter(spool.name)
        self._channels = [
            RedisChannel(accepted, DedicatedRedisConnection(redis, reply_timeout)) for _ in range(channels)
        ]
        self._idle = list(self._channels)
        self._spool_channel = SequencedChannel(accepted)
        """For batches that only the spool gets. Only the replay sends them."""
        self._queue = BatchQueue()
        self._dispatch_scheduled = False
        self._retries: set[asyncio.Task[None]] = set()
        self.replay_task = ReplayTask(spool, self.client, accepted)
        self._redis_unavailable = self.replay_task.redis_unavailable

    async def start(self) -> None:
        """Start replaying the spool in the background, files of earlier processes first. Does not need Redis."""
        self.replay_task.start()

    def submit(self, event: UsageEvent, *, possibly_duplicate: bool = False) -> asyncio.Future[None]:
        """Return a future that is done when the event is durable, and fails with `SpoolFull` if it is refused.

        Cancelling it stops nothing. `possibly_duplicate`: another process may submit the same event; it is stored once.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._queue.add(event, possibly_duplicate).waiters.append(waiter)
        self._dispatch_after_turn()
        return waiter

    def submit_callback(self, event: UsageEvent, on_durable: OnDurable, *, is_alone: bool = False) -> None:
        """Like `submit`, but without a future, and one turn of the event loop faster.

        `on_durable` is called once, in a later turn, and must not block. `is_alone`: no other event is expected in this
        turn, so that this one is sent immediately.
        """
        self._queue.add(event, False).callbacks.append(on_durable)
        if is_alone and self._idle and not self._dispatch_scheduled and not self._redis_unavailable.is_set():
            channel = self._idle[-1]
            self._dispatch()
            channel.connection.busy_poll()
        else:
            self._dispatch_after_turn()

    async def close(self) -> None:
        """Wait until every event is durable, then stop. No `submit` may follow."""
        while pending := [one.batch for one in self._channels if one.state is not _IDLE] or self._queue.batches:
            await pending[0].wait()
        await self.replay_task.stop()
        for channel in self._channels:
            channel.connection.close()
        await self._spool.sync()
        self._spool.close()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _dispatch_after_turn(self) -> None:
        if not self._dispatch_scheduled:
            self._dispatch_scheduled = True
            self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._dispatch_scheduled = False
        self._dispatch()

    def _dispatch(self) -> None:
        """Send queued batches through idle channels, or spool them if they cannot be sent."""
        queue = self._queue
        while queue.batches:
            if not self._redis_unavailable.is_set() and self._idle:
                self._send(self._idle.pop(), queue.pop())
            elif self._redis_unavailable.is_set() or queue.event_count > MAX_QUEUED_EVENTS:
                batch = queue.pop()
                record = self._spool_channel.next_record(batch)
                self._complete_from_spool(batch, record, self._write_to_spool(record))
            else:
                return

    def _send(self, channel: RedisChannel, batch: EventBatch) -> None:
        """Send a batch, and spool it while Redis works; the reply is handled in a later turn."""
        channel.batch, channel.record, channel.state = batch, channel.next_record(batch), _SENDING
        is_sent = channel.connection.send(
            ("EVALSHA", APPEND_SHA, *append_arguments(channel.record)), partial(self._on_reply, channel)
        )
        channel.spool_error = self._write_to_spool(channel.record)
        if not is_sent:
            self._retry(channel)

    def _on_reply(self, channel: RedisChannel, reply: Any) -> None:
        try:
            if isinstance(reply, Exception):
                raise reply
            check_reply(reply)
        except (NoScriptError, RedisConnectionError):
            self._retry(channel)
        except Exception as error:
            self._on_failure(channel, error)
        else:
            self._on_acknowledged(channel)
            self.client.report_length(reply)

    def _retry(self, channel: RedisChannel) -> None:
        """Send a batch in a task, which opens the connection and loads the script where needed."""
        channel.state = _RETRYING
        task = asyncio.create_task(self._send_again(channel))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    async def _send_again(self, channel: RedisChannel) -> None:
        try:
            await self.client.append(channel.record, channel.connection.execute)
        except BaseException as error:
            # Also when the loop ends: the batch may or may not have arrived, and the spool must have it.
            self._on_failure(channel, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._on_acknowledged(channel)

    def _on_acknowledged(self, channel: RedisChannel) -> None:
        channel.batch.complete()
        self._spool.acknowledge(channel.record)
        self._metrics.appended(channel.record.count)
        self._release(channel)

    def _on_failure(self, channel: RedisChannel, error: BaseException) -> None:
        channel.renew()
        self._complete_from_spool(channel.batch, channel.record, channel.spool_error)
        if isinstance(error, Exception):
            self.replay_task.redis_failed(error)
        self._release(channel)

    def _release(self, channel: RedisChannel) -> None:
        channel.state = _IDLE
        self._idle.append(channel)
        if self._queue.batches and not self._dispatch_scheduled:
            self._dispatch()

    def _write_to_spool(self, record: SpoolRecord) -> SpoolFull | None:
        """Append to the spool. Return the error if that fails."""
        try:
            self._spool.append(record)
        except SpoolFull as error:
            self._errors.error("usage: events have no copy on disk: %s", error)
            self._metrics.spool_failed(record.count)
            return error
        return None

    def _complete_from_spool(self, batch: EventBatch, record: SpoolRecord, spool_error: Exception | None) -> None:
        """Complete a batch that Redis did not acknowledge: it is durable if the spool has it."""
        if spool_error is not None:
            log.error("usage: %d events could be stored neither in Redis nor on disk: %s", record.count, spool_error)
            self._spool_channel.accepted.subtract(record)
            self._metrics.refused(record.count)
            batch.complete(spool_error)
        else:
            self._spool.mark_unconfirmed()
            self._metrics.spooled(record.count)
            batch.complete()
