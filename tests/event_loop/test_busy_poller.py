"""The event loop stays awake for what is quick, and for nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.event_loop.busy_poller import PAUSE, BusyPoller


class Turns:
    """Counts the turns of the running loop."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
        select = selector.select

        def counted(timeout: float | None) -> object:
            self.count += 1
            return select(timeout)

        patch.setattr(selector, "select", counted)


@pytest.fixture
async def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    # Longer than a busy machine takes to come to the next turn.
    monkeypatch.setattr("gateway.event_loop.busy_poller.SECONDS", 0.03)
    return Turns(monkeypatch)


async def waited(awake: BusyPoller, seconds: float) -> None:
    """Wait for an answer that comes after so many seconds."""
    answered = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, answered.set)
    awake.poll_while(lambda: not answered.is_set())
    await answered.wait()


async def test_it_looks_until_the_answer_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.event_loop.busy_poller.SECONDS", 10)
    looks = [True, True, True, False]
    BusyPoller().poll_while(lambda: looks.pop(0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert looks == []


async def test_it_does_not_stay_awake_for_long(turns: Turns) -> None:
    used = time.process_time()
    await waited(BusyPoller(), 0.2)
    assert turns.count > 4
    assert time.process_time() - used < 0.1


async def test_after_a_slow_answer_it_sleeps_through_the_next_ones(turns: Turns) -> None:
    awake = BusyPoller()
    await waited(awake, 0.1)
    for _ in range(PAUSE):
        turns.count = 0
        await waited(awake, 0.001)
        assert turns.count < 5
    turns.count = 0
    await waited(awake, 0.1)
    assert turns.count > 5


async def test_others_have_their_turn_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.event_loop.busy_poller.SECONDS", 10)
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    BusyPoller().poll_while(lambda: not done.is_set())
    await done.wait()
