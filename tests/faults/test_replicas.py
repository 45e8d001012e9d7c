"""Two admin processes on one Redis and one ClickHouse server, which all fail; every answered call is stored once."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
import secrets
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.usage.consumer.writer import LEASE_SECONDS
from gateway.usage.store.table import UsageTable
from tests.faults.checks import assert_each_answer_is_stored_once, final_balance
from tests.faults.faults import send
from tests.faults.load import Load
from tests.faults.rounds import RATE, SECONDS, SEEDS
from tests.support.clickhouse_front import ClickHouseFront, clickhouse_front
from tests.support.production import Production, login
from tests.support.running_up import Running, processes_under
from tests.support.valkey import Valkey

WORDS = ("commits", "cuts", "forgets", "refuses", "busy", "252", "commits", "commits")
log = logging.getLogger(__name__)


class Replicas:
    """A proxy, and two admin processes with a usage writer each."""

    def __init__(self, proxy: Running, admins: list[Running], valkey: Valkey, front: ClickHouseFront) -> None:
        self.proxy = proxy
        self.admins = admins
        self.valkey = valkey
        self.front = front

    def one_admin(self, chance: random.Random) -> list[int]:
        return processes_under(chance.choice(self.admins).process.pid)


Fault = Callable[[Replicas, random.Random], Awaitable[None]]


async def an_admin_killed(replicas: Replicas, chance: random.Random) -> None:
    send(replicas.one_admin(chance), signal.SIGKILL)


async def an_admin_suspended_past_its_lease(replicas: Replicas, chance: random.Random) -> None:
    pids = replicas.one_admin(chance)
    send(pids, signal.SIGSTOP)
    await asyncio.sleep(LEASE_SECONDS + 1.5)
    send(pids, signal.SIGCONT)


async def both_admins_killed(replicas: Replicas, chance: random.Random) -> None:
    for admin in replicas.admins:
        send(processes_under(admin.process.pid), signal.SIGKILL)


async def valkey_killed(replicas: Replicas, chance: random.Random) -> None:
    await asyncio.to_thread(replicas.valkey.kill)
    await asyncio.sleep(chance.uniform(0.0, 2.0))
    await asyncio.to_thread(replicas.valkey.start)


async def clickhouse_responses_lost(replicas: Replicas, chance: random.Random) -> None:
    replicas.front.inserts.extend(chance.sample(WORDS, 4))


async def clickhouse_away(replicas: Replicas, chance: random.Random) -> None:
    await asyncio.to_thread(replicas.front.stop)
    await asyncio.sleep(chance.uniform(0.5, 3.0))
    replicas.front.start()


async def an_admin_killed_while_clickhouse_commits(replicas: Replicas, chance: random.Random) -> None:
    replicas.front.reached.clear()
    replicas.front.released.clear()
    replicas.front.inserts.append("commits and hangs")
    await asyncio.to_thread(replicas.front.reached.wait, 10)
    send(replicas.one_admin(chance), signal.SIGKILL)
    replicas.front.released.set()


FAULTS: tuple[Fault, ...] = (
    an_admin_killed,
    an_admin_suspended_past_its_lease,
    both_admins_killed,
    valkey_killed,
    clickhouse_responses_lost,
    clickhouse_away,
    an_admin_killed_while_clickhouse_commits,
)


@pytest.fixture
def database() -> str:
    return f"replicas_{secrets.token_hex(4)}"


@pytest.fixture
def replicas(chdb_url: str, upstream: str, database: str) -> Iterator[Replicas]:
    with ExitStack() as stack:
        # Not pytest's tmp_path: a unix socket's path must stay under 108 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replicas-")))
        valkey = Valkey(folder)
        valkey.start()
        stack.callback(valkey.kill)
        front = stack.enter_context(clickhouse_front(chdb_url))
        environment = {
            **Production(folder, valkey, upstream).environment,
            "GATEWAY_CLICKHOUSE_URL": f"{front.url}/{database}",
            "GATEWAY_DRAIN_TIMEOUT": "2",
        }
        started: list[Running] = []
        for role in ("proxy", "admin", "admin"):
            running = Running(role, data_dir=folder / f"{role}-{len(started)}", **environment)  # type: ignore[arg-type]
            stack.callback(end, running)
            running.until_ready()
            started.append(running)
        yield Replicas(started[0], started[1:], valkey, front)


def end(running: Running) -> None:
    send([*processes_under(running.process.pid), running.process.pid], signal.SIGKILL)
    running.wait()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_answered_call_is_stored_once_whichever_replica_fails(
    seed: int, replicas: Replicas, chdb_url: str, database: str
) -> None:
    chance = random.Random(seed)
    faults = itertools.cycle(chance.sample(FAULTS, len(FAULTS)))
    operator = await asyncio.to_thread(login, replicas.admins[0])
    key = await asyncio.to_thread(operator.new_key, "load")
    load = Load(f"{replicas.proxy.url}/mcp", key.text, RATE / 2)
    happened = []
    async with load.running():
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            fault = next(faults)
            happened.append(fault.__name__)
            await fault(replicas, chance)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
    replicas.front.inserts.clear()
    balance = await asyncio.to_thread(
        final_balance, lambda: replicas.admins[1].admin("GET", "/api/mcp-usage/reconcile?days=2", operator.token).json()
    )
    table = UsageTable(chdb_url, database=database)
    found = await table.query_async("SELECT request_id, record_count FROM mcp_tool_usage_log")
    calls = await table.query_async("SELECT sum(calls + denied) FROM mcp_tool_usage_quarter_hourly")
    table.close()
    log.info("%d faults: %s", len(happened), ", ".join(happened))
    assert_each_answer_is_stored_once(load, [(json.loads(call_id), count) for call_id, count in found], calls[0][0])
    assert (balance["accepted"], balance["written"]) == (len(found), len(found))
