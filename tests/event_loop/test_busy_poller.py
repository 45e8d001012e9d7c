"""The event loop is polled while a fast reply is expected, and no longer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from gateway.event_loop import busy_poller
from gateway.event_loop.busy_poller import MAX_POLL_SECONDS, SKIPS_AFTER_TIMEOUT, BusyPoller

_TURN = MAX_POLL_SECONDS / 10


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which each turn of the loop takes a tenth of the time that is polled at most."""
    turns = iter(range(1_000_000))
    monkeypatch.setattr(busy_poller, "time", SimpleNamespace(perf_counter=lambda: next(turns) * _TURN))


async def polls(poller: BusyPoller, *, reply_after: int) -> int:
    """Return how often the loop is polled for a reply that arrives after so many polls."""
    count = 0

    def is_waiting() -> bool:
        nonlocal count
        count += 1
        return count < reply_after

    poller.poll_while(is_waiting)
    for _ in range(50):
        await asyncio.sleep(0)
    return count


async def test_it_polls_until_the_reply_arrives() -> None:
    poller = BusyPoller()
    assert await polls(poller, reply_after=4) == 4
    assert await polls(poller, reply_after=1) == 1


async def test_it_stops_polling_for_a_slow_reply() -> None:
    assert 5 < await polls(BusyPoller(), reply_after=1000) < 15


async def test_after_a_slow_reply_it_does_not_poll_for_the_next_ones() -> None:
    poller = BusyPoller()
    await polls(poller, reply_after=1000)
    for _ in range(SKIPS_AFTER_TIMEOUT):
        assert await polls(poller, reply_after=4) == 0
    assert await polls(poller, reply_after=4) == 4


async def test_other_callbacks_run_meanwhile() -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    BusyPoller().poll_while(lambda: not done.is_set())
    await done.wait()
