"""Under load, processes are killed and stopped again and again; then the books are opened.

`make faults` does it in twenty rounds; the ordinary test run has a short one. `FAULT_ROUNDS` and `FAULT_SECONDS` say
how many and how long, `FAULT_SEED` which faults.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import FAULTS, Scene
from tests.faults.load import Load
from tests.faults.stored import stored

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
RATE = 400.0
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.upstream"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    process.kill()
    process.communicate()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
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
        balance = await asyncio.to_thread(settled, scene, token)
        assert await asyncio.to_thread(scene.running.stop) == 0
        rows, calls = await asyncio.to_thread(stored, f"chdb://{tmp_path}/data/clickhouse")
    finally:
        if scene.running.process.poll() is None:
            scene.running.process.kill()
        scene.running.wait()
    log.info(
        "%d asked, %d answered, %d stored; %s; %s",
        *map(len, (load.asked, load.answered, rows)),
        happened,
        load.failures,
    )
    found = Counter(call_id for call_id, _ in rows)
    assert {call_id: count for call_id, count in found.items() if count > 1} == {}, "stored more than once"
    assert load.answered - set(found) == set(), "answered, and not stored"
    assert dict(rows).items() <= load.asked.items(), "stored with another count, or never asked for"
    assert calls == len(rows), "the sums by day differ from the rows"
    assert (balance["balanced"], balance["accepted"], balance["written"]) == (True, len(rows), len(rows))
    assert len(load.answered) > 100, "too few answers to prove anything"


def settled(scene: Scene, token: str) -> dict[str, Any]:
    """The books, when nothing is on its way any more."""
    deadline = time.monotonic() + 60
    while True:
        try:
            balance = scene.running.admin("GET", "/api/mcp-usage/reconcile?days=2", token).json()
            if balance["balanced"] and balance["accepted"] == balance["written"]:
                return dict(balance)
        except (OSError, KeyError, ValueError) as error:
            # Not all is up again.
            balance = error
        assert time.monotonic() < deadline, balance
        time.sleep(0.3)
