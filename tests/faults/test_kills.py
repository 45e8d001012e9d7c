"""Under load, processes are killed and suspended repeatedly; every answered call must be stored once.

`make faults` does it in twenty rounds; the normal test run has a short one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from pathlib import Path

import pytest

from tests.faults.checks import assert_each_answer_is_stored_once, final_balance
from tests.faults.faults import FAULTS, Gateway
from tests.faults.load import Load
from tests.faults.rounds import RATE, SECONDS, SEEDS
from tests.faults.stored import stored

log = logging.getLogger(__name__)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answered_call_is_stored_once_whatever_is_killed(seed: int, upstream: str, tmp_path: Path) -> None:
    chance = random.Random(seed)
    faults = itertools.cycle(chance.sample(FAULTS, len(FAULTS)))
    gateway = Gateway(tmp_path / "data", upstream, chance)
    try:
        await asyncio.to_thread(gateway.running.until_ready)
        token = await asyncio.to_thread(gateway.running.token)
        load = Load(f"{gateway.running.url}/mcp", gateway.running.key, RATE)
        happened = []
        async with load.running():
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                fault = next(faults)
                happened.append(fault.__name__)
                await fault(gateway)
                await asyncio.sleep(chance.uniform(0.0, 1.5))
        balance = await asyncio.to_thread(
            final_balance, lambda: gateway.running.admin("GET", "/api/mcp-usage/reconcile?days=2", token).json()
        )
        assert await asyncio.to_thread(gateway.running.stop) == 0
        rows, calls = await asyncio.to_thread(stored, f"chdb://{tmp_path}/data/clickhouse")
    finally:
        if gateway.running.process.poll() is None:
            gateway.running.process.kill()
        gateway.running.wait()
    log.info("%d faults: %s", len(happened), ", ".join(happened))
    assert_each_answer_is_stored_once(load, rows, calls)
    assert (balance["accepted"], balance["written"]) == (len(rows), len(rows))
