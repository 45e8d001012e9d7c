"""Under load, processes are killed and stopped again and again; then the books are opened.

`make faults` does it in twenty rounds; the ordinary test run has a short one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from pathlib import Path

import pytest

from tests.faults.books import open_the_books, settled
from tests.faults.faults import FAULTS, Scene
from tests.faults.load import Load
from tests.faults.rounds import RATE, SECONDS, SEEDS
from tests.faults.stored import stored

log = logging.getLogger(__name__)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answered_call_is_stored_once_whatever_is_killed(seed: int, upstream: str, tmp_path: Path) -> None:
    chance = random.Random(seed)
    faults = itertools.cycle(chance.sample(FAULTS, len(FAULTS)))
    scene = Scene(tmp_path / "data", upstream, chance)
    try:
        await asyncio.to_thread(scene.running.until_ready)
        token = await asyncio.to_thread(scene.running.token)
        load = Load(f"{scene.running.url}/mcp", scene.running.key, RATE)
        happened = []
        async with load.running():
            await asyncio.sleep(2)
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                fault = next(faults)
                happened.append(fault.__name__)
                await fault(scene)
                await asyncio.sleep(chance.uniform(0.0, 1.5))
        balance = await asyncio.to_thread(
            settled, lambda: scene.running.admin("GET", "/api/mcp-usage/reconcile?days=2", token).json()
        )
        assert await asyncio.to_thread(scene.running.stop) == 0
        rows, calls = await asyncio.to_thread(stored, f"chdb://{tmp_path}/data/clickhouse")
    finally:
        if scene.running.process.poll() is None:
            scene.running.process.kill()
        scene.running.wait()
    log.info("%d faults: %s", len(happened), ", ".join(happened))
    open_the_books(load, rows, calls)
    assert (balance["accepted"], balance["written"]) == (len(rows), len(rows))
