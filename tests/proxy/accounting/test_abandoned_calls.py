"""A call that is not sent to the upstream does not stay registered, and gives its slots back."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.proxy.accounting.correlation import Correlation
from gateway.proxy.admission.limits.permit import Permit
from tests.proxy.accounting.transcript import call, pending
from tests.support.waiting import until

SLOT = ("slots", "1")


class SlowStore:
    """Registers requests once it is told to."""

    def __init__(self) -> None:
        self.registers = asyncio.Event()
        self.pending: list[str] = []
        self.calls: list[str] = []

    async def register(self, scope: Any, requests: Any) -> None:
        self.calls.append("register")
        await self.registers.wait()
        self.pending += [id_json for id_json, _ in requests]

    async def withdraw(self, scope: Any, requests: Any) -> None:
        self.calls.append("withdraw")
        for id_json, _ in requests:
            self.pending.remove(id_json)


class LentSlots:
    """A limiter's slots that are lent."""

    def __init__(self) -> None:
        self.slots: set[Any] = set()

    def lend_slots(self, slots: Any, pending_call: str) -> None:
        self.slots |= set(slots)

    def release_lent_slots(self, slots: Any) -> None:
        self.slots -= set(slots)


@pytest.mark.parametrize("is_registered", [True, False])
async def test_a_call_that_is_abandoned_during_or_after_its_registration_is_withdrawn(is_registered: bool) -> None:
    store, lent = SlowStore(), LentSlots()
    correlation = Correlation(cast(Any, store), cast(Any, lent), cast(Any, None))
    exchange = pending(call(1))
    exchange.lend_slots(Permit(slots=[SLOT]), lent.lend_slots)
    assert lent.slots == {SLOT}
    registration = asyncio.create_task(correlation.register(exchange, is_replayable=False))
    await until(lambda: store.calls == ["register"])
    if is_registered:
        store.registers.set()
        await registration
        assert store.pending == ["1"]
    else:
        registration.cancel()
    correlation.abandon(exchange)
    store.registers.set()
    await correlation.wait_for_tasks()
    assert (store.calls, store.pending, lent.slots) == (["register", "withdraw"], [], set())
