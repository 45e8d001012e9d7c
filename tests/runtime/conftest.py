"""Admin processes, on a shared Valkey and a chDB of the test."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.admin_process import Process, Start
from tests.support.admin_api import SECRET


@pytest.fixture
async def start(valkey_url: str, tmp_path: Path, free_port: int) -> AsyncIterator[Start]:
    processes: list[Process] = []

    async def starter(**changes: Any) -> Process:
        settings = {
            "redis_url": valkey_url,
            "clickhouse_url": f"chdb://{tmp_path / 'chdb'}",
            "data_dir": str(tmp_path),
            "jwt_secret": SECRET,
            "admin_port": free_port,
            "log_format": "json",
            **changes,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.runtime.admin_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        processes.append(Process(process, settings["admin_port"]))
        return processes[-1]

    yield starter
    for one in processes:
        if one.process.returncode is None:
            one.process.kill()
            await one.process.wait()
