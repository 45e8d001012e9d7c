"""A task is cancelled until it is done."""

from __future__ import annotations

import asyncio

import pytest

from gateway.event_loop import tasks
from gateway.event_loop.tasks import cancel_and_wait


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RETRY_SECONDS", 0.01)
    cancellations = 0

    async def loses_one() -> None:
        nonlocal cancellations
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancellations += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(loses_one())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert (task.cancelled(), cancellations) == (True, 1)


async def test_an_exception_of_the_task_is_dropped() -> None:
    async def fails() -> None:
        raise ValueError("dropped")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.done()
