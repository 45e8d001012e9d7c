"""Correlates requests with responses that arrive on another stream, through Redis.

The rules:

- Before a client can ask for an answer on another stream, what it asked is noted: before a request of the HTTP+SSE
  transport is sent, before the first event with an id leaves, before an answer ends that lacks the result.
- What cannot be noted, or be asked of Redis, does not pass: the stream breaks off, and its client may take it up again.
- An answer that comes and goes on the connection of its request, without event ids, costs nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Never, TypeVar

from redis.exceptions import RedisError

from gateway import metering
from gateway.proxy.accounting.correlation_store import CorrelationStore, TooManyPendingRequests
from gateway.proxy.accounting.models import FOREIGN, UNKNOWN, Lookup, LookupResult, Scope
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.accounting.response_inspection import Inspection

log = logging.getLogger(__name__)

T = TypeVar("T")
Record = Callable[[Inspection], Awaitable[None]]
"""Makes the events of a sight safe."""

_NO_SCOPE = Scope("", "key")


class CorrelationUnavailable(Exception):
    """An answer cannot be told from others at the moment, so it may not pass."""


class Correlation:
    """What a worker notes and finds for its exchanges."""

    def __init__(self, requests: CorrelationStore) -> None:
        self._requests = requests
        self._working: set[asyncio.Task[Any]] = set()

    async def note(self, calls: PendingCalls, *, is_repeatable: bool = True) -> None:
        """Note the requests of an exchange that are not answered; their answers may be repeated or not.

        Raises `CorrelationUnavailable`, and `IdInUse` where they are not.
        """
        if calls.is_to_be_noted:
            await self._to_the_end(self._note(calls, is_repeatable))

    async def end(self, calls: PendingCalls) -> None:
        """Forget what is waited for in a session that is over."""
        if calls.is_in_session and calls.scope is not None:
            try:
                await self._to_the_end(self._requests.end(calls.scope))
            except RedisError:
                log.warning("requests of a session that is over stay noted: Redis did not answer")

    async def settle(self, calls: PendingCalls, data: bytes, sight: Inspection, record: Record) -> bytes:
        """Find what a look at an answer asked, count what comes of it, and say what may pass.

        Raises `CorrelationUnavailable`.
        """
        return await self._to_the_end(self._settle(calls, data, sight, record))

    async def drain(self) -> None:
        """Wait for what is being noted and counted; Redis bounds how long that takes."""
        while self._working:
            await asyncio.gather(*self._working, return_exceptions=True)

    async def _note(self, calls: PendingCalls, is_repeatable: bool) -> None:
        scope = calls.scope
        if scope is None:
            return
        if not calls.is_prepared:
            await asyncio.to_thread(calls.prepare)
        noted = calls.awaited(is_repeatable=is_repeatable)
        if not noted:
            return
        try:
            await self._requests.note(scope, noted.items())
        except (RedisError, TooManyPendingRequests) as failure:
            _fail(failure)
        calls.noted.update(noted)

    async def withdraw(self, calls: PendingCalls) -> None:
        """Forget the requests of an exchange: they were refused, or counted without a look at their answers."""
        if calls.noted and calls.scope is not None:
            try:
                await self._requests.withdraw(calls.scope, calls.noted.items())
            except RedisError:
                log.warning("requests that will not be answered stay noted: Redis did not answer")

    async def _settle(self, calls: PendingCalls, data: bytes, sight: Inspection, record: Record) -> bytes:
        scope = calls.scope or _NO_SCOPE
        found: dict[Lookup, LookupResult] = {}
        claim = secrets.token_hex(8)
        try:
            while sight.asks:
                for ask in sight.asks:
                    found[ask] = await self._take(scope, ask, claim, calls)
                sight = calls.observe(data, found)
            for task in sight.tasks:
                await self._requests.note_task(scope.owner, task.id, task.made_by, seconds=task.seconds)
        except (RedisError, TooManyPendingRequests) as failure:
            _fail(failure)
        if sight.events:
            await record(sight)
        if sight.taken:
            # The answer need not wait for that: its event is safe.
            self._begin(self._confirm(scope, sight.taken, claim))
        return sight.passed

    async def _confirm(self, scope: Scope, taken: Sequence[Lookup], claim: str) -> None:
        try:
            for ask in taken:
                await self._requests.confirm(_scope_of(scope, ask), ask.id, claim)
        except RedisError:
            # Whoever sees the answer again then counts it under the same event id.
            log.warning("a counted answer was not confirmed: Redis did not answer")

    async def _to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what must not stop halfway, also where the client goes."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        # Where nobody waits any more, nobody asks what became of it.
        _ = task.cancelled() or task.exception()

    async def _take(self, scope: Scope, ask: Lookup, claim: str, calls: PendingCalls) -> LookupResult:
        if ask.kind == "owner":
            return UNKNOWN if await self._requests.are_tasks_of(scope.owner, [ask.id]) else FOREIGN
        wanted = calls.noted.get(ask.id) if ask.is_own else None
        found = await self._requests.take(_scope_of(scope, ask), ask.id, claim, wanted)
        if found.request is None:
            return found
        if ask.is_own:
            # Where the same id was used twice, it may stand for the other request from now on.
            calls.noted[ask.id] = found.request
        elif not metering.is_prepared(found.request.arguments):
            await asyncio.to_thread(metering.prepare, found.request.arguments)
        return found


def _scope_of(scope: Scope, ask: Lookup) -> Scope:
    return Scope(scope.owner, "tasks") if ask.kind == "task" else scope


def _fail(failure: Exception) -> Never:
    reason = "too many requests wait for answers on other streams"
    raise CorrelationUnavailable(
        reason if isinstance(failure, TooManyPendingRequests) else "Redis did not answer"
    ) from None
