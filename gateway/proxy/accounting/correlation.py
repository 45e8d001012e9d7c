"""Correlates requests with responses that arrive on another stream, through Redis.

The rules:

- A request is registered before its client could receive the response on another stream: before a request of the
  HTTP+SSE transport is sent, before the first SSE event with an id is sent, before a response ends without the result.
- If Redis cannot register or look up a request, the response does not pass: the stream is closed, and its client may
  resume it.
- A response on the connection of its request, without event ids, needs no Redis command.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Never, TypeVar

from redis.exceptions import RedisError

from gateway import metering
from gateway.keys.record import KeyRecord
from gateway.proxy.accounting.correlation_models import FOREIGN, UNKNOWN, Lookup, LookupResult, RecordCost, Scope
from gateway.proxy.accounting.correlation_store import CorrelationStore, TooManyPendingRequests
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission.limits.limiter import Limiter

log = logging.getLogger(__name__)

T = TypeVar("T")
RecordUsage = Callable[[Inspection], Awaitable[None]]
"""Records the usage events of an inspection; returns when they are durable."""

_NO_SCOPE = Scope("", "key")


class CorrelationUnavailable(Exception):
    """A response cannot be correlated right now, so it must not pass."""


class Correlation:
    """Registers and looks up the requests of a worker's exchanges."""

    def __init__(
        self, store: CorrelationStore, limiter: Limiter, find_key: Callable[[str], Awaitable[KeyRecord | None]]
    ) -> None:
        """`find_key` returns the record of a key id."""
        self._store = store
        self._limiter = limiter
        self._find_key = find_key
        self._tasks: set[asyncio.Task[Any]] = set()

    async def register(self, exchange: Exchange, *, is_replayable: bool = True) -> None:
        """Register the requests that have no response yet, unless they are registered already.

        Set `is_replayable` if a response may be sent more than once, because its stream can be resumed. Raises
        `CorrelationUnavailable`, and `IdInUse` if not `is_replayable`.
        """
        if exchange.has_unregistered:
            await self._shield(self._register(exchange, is_replayable))

    async def withdraw(self, exchange: Exchange) -> None:
        """Remove the requests of an exchange: they were rejected, or counted without an inspection."""
        if exchange.registered and exchange.scope is not None:
            for request in exchange.registered.values():
                self._limiter.release_lent_slots(request.slots)
            try:
                await self._store.withdraw(exchange.scope, exchange.registered.items())
            except RedisError:
                log.warning("Redis is unavailable: requests without a response stay registered until they expire")

    def abandon(self, exchange: Exchange) -> None:
        """Remove the requests of an exchange that is not sent, also if they are just being registered."""
        exchange.is_abandoned = True
        self._limiter.release_lent_slots(exchange.lent_slots)
        if exchange.registered:
            self._start(self.withdraw(exchange))

    async def end_session(self, exchange: Exchange) -> None:
        """Remove the pending requests of a session that has ended."""
        if exchange.has_session and exchange.scope is not None:
            try:
                await self._shield(self._store.delete_scope(exchange.scope))
            except RedisError:
                log.warning("Redis is unavailable: requests of an ended session stay registered until they expire")

    async def resolve(self, exchange: Exchange, data: bytes, inspection: Inspection, record: RecordUsage) -> Inspection:
        """Return the complete inspection of `data`: make its lookups, and record its usage.

        Raises `CorrelationUnavailable`.
        """
        return await self._shield(self._resolve(exchange, data, inspection, record))

    async def wait_for_tasks(self) -> None:
        """Wait for the tasks that register and confirm requests; the Redis time-outs bound the wait."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _register(self, exchange: Exchange, is_replayable: bool) -> None:
        scope = exchange.scope
        if scope is None:
            return
        if not exchange.is_sql_parsed:
            await asyncio.to_thread(exchange.parse_sql)
        requests = exchange.unregistered_requests(is_replayable=is_replayable)
        if not requests:
            return
        try:
            await self._store.register(scope, requests.items())
        except (RedisError, TooManyPendingRequests) as error:
            _raise_unavailable(error)
        exchange.registered.update(requests)
        if exchange.is_abandoned:
            await self.withdraw(exchange)

    async def _resolve(
        self, exchange: Exchange, data: bytes, inspection: Inspection, record: RecordUsage
    ) -> Inspection:
        scope = exchange.scope or _NO_SCOPE
        results: dict[Lookup, LookupResult] = {}
        taker = secrets.token_hex(8)
        try:
            while inspection.lookups:
                for lookup in inspection.lookups:
                    results[lookup] = await self._look_up(scope, lookup, taker, exchange)
                inspection = exchange.inspect(data, results)
            for task in inspection.created_tasks:
                await self._store.register_task(scope.owner, task.id, task.created_by, seconds=task.seconds)
        except (RedisError, TooManyPendingRequests) as error:
            _raise_unavailable(error)
        if inspection.events:
            await record(inspection)
        if inspection.taken:
            # The response need not wait for the confirmation: its usage event is durable.
            self._start(self._confirm(scope, inspection.taken, taker))
        return inspection

    async def _look_up(self, scope: Scope, lookup: Lookup, taker: str, exchange: Exchange) -> LookupResult:
        if lookup.cost is not None:
            return await self._settle(lookup.cost, exchange)
        if lookup.kind == "owner":
            return UNKNOWN if await self._store.none_owned_by_others(scope.owner, [lookup.id]) else FOREIGN
        own = exchange.registered.get(lookup.id) if lookup.is_own else None
        result = await self._store.take(_scope_of(scope, lookup), lookup.id, taker, own)
        if result.request is None:
            return result
        if result.state == "taken":
            self._limiter.release_lent_slots(result.request.slots)
        if lookup.is_own:
            # If the same id was used twice, the store may have returned the other request: use that from now on.
            exchange.registered[lookup.id] = result.request
        elif not metering.is_sql_parsed(result.request.arguments):
            await asyncio.to_thread(metering.parse_sql, result.request.arguments)
        return result

    async def _settle(self, cost: RecordCost, exchange: Exchange) -> LookupResult:
        own = exchange.key
        record = own if own is not None and own.key_id == cost.key_id else await self._find_key(cost.key_id)
        deny = await self._limiter.settle(record, cost.records) if record is not None else None
        return LookupResult("consumed" if deny is None else "exceeded", deny=deny)

    async def _confirm(self, scope: Scope, taken: Sequence[Lookup], taker: str) -> None:
        try:
            for lookup in taken:
                await self._store.confirm(_scope_of(scope, lookup), lookup.id, taker)
        except RedisError:
            # A worker that sees the response again counts it under the same event id.
            log.warning("Redis is unavailable: a counted response was not confirmed")

    async def _shield(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work to its end, even if the caller is cancelled because the client has disconnected."""
        return await asyncio.shield(self._start(work))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Retrieve the exception: a cancelled caller does not, and asyncio would log it as unhandled.
        _ = task.cancelled() or task.exception()


def _scope_of(scope: Scope, lookup: Lookup) -> Scope:
    return Scope(scope.owner, "tasks") if lookup.kind == "task" else scope


def _raise_unavailable(error: Exception) -> Never:
    if isinstance(error, TooManyPendingRequests):
        raise CorrelationUnavailable("too many requests wait for responses on other streams") from None
    raise CorrelationUnavailable("Redis is unavailable") from None
