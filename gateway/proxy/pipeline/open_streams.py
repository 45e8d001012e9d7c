"""The open event streams by principal, to end them when their key is revoked, expires or gets another owner.

- Each key with a stream is checked twice per second, through the key cache. So a stream is cancelled within a second of
  such a change of its key, also while it is idle. If a key cannot be checked, its streams are cancelled, too.
- A listening stream is also cancelled if the scopes of its key have changed: it checks what it passes by the scopes
  with which it was opened. The stream of a call ends with the scopes with which the call was admitted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.admitted_request import Principal
from gateway.proxy.metrics_sink import ProxyMetricsSink

_CHECK_SECONDS = 0.5
"""Interval between two checks."""


Scopes = tuple[object, ...] | None
Holder = tuple[ApiKey, str, Scopes]
"""A key, its owner and, for listening streams, its scopes."""
IsValid = Callable[[ApiKey, str, Scopes], Awaitable[bool]]


class OpenStreams:
    """The tasks that serve event streams."""

    def __init__(self, is_valid: IsValid, metrics: ProxyMetricsSink) -> None:
        self._is_valid = is_valid
        self._metrics = metrics
        self._tasks: dict[Holder, set[asyncio.Task[object]]] = {}
        self._listening: set[asyncio.Task[object]] = set()
        self._checker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to check keys."""
        self._checker = asyncio.get_running_loop().create_task(self._check_regularly())

    async def close(self) -> None:
        """Cancel every stream and stop checking keys."""
        if self._checker is not None:
            await cancel_and_wait(self._checker)
        for holder in list(self._tasks):
            self._cancel(holder)

    def cancel_listening(self) -> None:
        """Cancel the listening streams, which would not end by themselves."""
        for task in list(self._listening):
            task.cancel()

    @contextlib.contextmanager
    def registered(self, principal: Principal, *, is_listening: bool) -> Iterator[None]:
        """Register the current task as serving a stream of this principal; it may be cancelled within the context.

        Listening streams are those of a GET or `subscriptions/listen`.
        """
        task = asyncio.current_task()
        assert task is not None
        record = principal.record
        holder = principal.key, record.owner, record.scopes if is_listening else None
        self._tasks.setdefault(holder, set()).add(task)
        if is_listening:
            self._listening.add(task)
        self._metrics.streams_opened(1)
        try:
            yield
        finally:
            self._metrics.streams_opened(-1)
            self._listening.discard(task)
            tasks = self._tasks[holder]
            tasks.discard(task)
            if not tasks:
                del self._tasks[holder]

    async def _check_regularly(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for holder in list(self._tasks):
                if not await self._is_valid(*holder):
                    self._cancel(holder)

    def _cancel(self, holder: Holder) -> None:
        for task in list(self._tasks.get(holder, ())):
            task.cancel()
