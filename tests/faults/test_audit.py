"""Processes are killed between an act and its delivery: each act has one entry in the audit log."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.faults import Fault, Gateway, killed
from tests.usage.support import run_python

_PATIENCE = 60
_FAULTS: tuple[Fault, ...] = (
    killed("admin"),
    killed("valkey"),
    killed("admin", "valkey"),
    Gateway.kill_everything,
)


@pytest.mark.timeout(300)
async def test_every_act_has_one_entry_whatever_is_killed(upstream: str, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", upstream, random.Random(1))
    numbers = itertools.count()
    answered: list[str] = []
    try:
        await asyncio.to_thread(gateway.running.until_ready)
        token = await asyncio.to_thread(gateway.running.token)
        for fault in _FAULTS:
            answered += [await asyncio.to_thread(created_key, gateway, token, numbers) for _ in range(4)]
            # The entries wait in the usage stream.
            await fault(gateway)
        answered.append(await asyncio.to_thread(created_key, gateway, token, numbers))
        keys = await asyncio.to_thread(delivered_keys, gateway, token)
        assert await asyncio.to_thread(gateway.running.stop) == 0
        recorded = await asyncio.to_thread(created_in_audit_log, tmp_path / "data")
    finally:
        if gateway.running.process.poll() is None:
            gateway.running.process.kill()
        gateway.running.wait()
    assert set(answered) <= set(recorded)
    assert recorded == Counter(keys)


def created_key(gateway: Gateway, token: str, numbers: itertools.count[int]) -> str:
    """Create a key, and return its id; other keys may have been created without an answer."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        body: dict[str, Any] = {"key_name": f"key {next(numbers)}", "expires_days": None}
        try:
            answer = gateway.running.admin("POST", "/api/mcp-keys/create", token, json=body)
            if answer.status_code == 201:
                return str(answer.json()["key_id"])
            outcome = answer.text
        except requests.RequestException as error:
            outcome = str(error)
        assert time.monotonic() < deadline, outcome
        time.sleep(0.1)


def delivered_keys(gateway: Gateway, token: str) -> list[str]:
    """Return the ids of all keys, once the usage stream has none of their entries left."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        keys = gateway.running.admin("GET", "/api/mcp-keys/list?all=true", token).json()["keys"]
        entries = gateway.running.admin("GET", "/api/audit?act=key.create&limit=200", token).json()["items"]
        if len(entries) >= len(keys):
            return [key["key_id"] for key in keys]
        assert time.monotonic() < deadline, f"{len(entries)} entries of {len(keys)} keys"
        time.sleep(0.1)


def created_in_audit_log(data_dir: Path) -> Counter[str]:
    """Return the number of rows about the creation of each key, read by a separate process."""
    found = run_python(f"""
        import json
        from gateway.usage.store.table import UsageTable

        table = UsageTable("chdb://{data_dir}/clickhouse")
        query = "SELECT object, count() FROM mcp_audit_log WHERE act = 'key.create' GROUP BY object"
        print(json.dumps(table.query(query)))
        table.close()
    """)
    assert found.returncode == 0, found.stderr
    return Counter(dict(json.loads(found.stdout)))
