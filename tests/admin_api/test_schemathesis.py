"""schemathesis finds nothing: the API and its document agree, for valid requests and for invalid ones."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from admin_api.dependencies import Dependencies
from gateway.accounts.creation_limits import CreationLimits
from gateway.accounts.login_limits import LoginLimits, Slowdown
from gateway.redis import names as redis_names
from gateway.usage.event import pack
from gateway.usage.store.table import UsageTable
from tests.admin_api.test_roles import new_world
from tests.support.admin_api import Api, event
from tests.support.api_document import DOCUMENT

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = Path(__file__).parents[2]
CALLER = "caller@example.com"
UNLIMITED = 10**9


@pytest.fixture
def unlimited(deps: Dependencies) -> Dependencies:
    """The app without limits on logins and creations."""
    slowdown = Slowdown(free=UNLIMITED, window_seconds=60, first_wait=1, longest_wait=1)
    return dataclasses.replace(
        deps,
        login_limits=LoginLimits(deps.redis, now_ms=deps.now_ms, per_account_and_source=slowdown, per_source=slowdown),
        creation_limits=CreationLimits(deps.redis, now_ms=deps.now_ms, per_minute=UNLIMITED),
    )


async def document_with_data(api: Api, table: UsageTable) -> str:
    """Store what the examples name, and return the document with its ids."""
    world = await new_world(api)
    await table.insert_async([event(), event(record_count=None, table_names=())], "schemathesis")
    for _ in range(3):
        await api.deps.redis.xadd(redis_names.USAGE_DEAD_LETTERS, {"e": pack([event()]), "reason": "Code: 27"})
    text = json.dumps(DOCUMENT)
    for example, existing in world.replaced.items():
        text = text.replace(example, existing)
    return text


async def run(api: Api, document: Path, phases: str) -> tuple[int | None, str]:
    """Run schemathesis as an admin, and return its exit code and its report."""
    caller = await api.deps.users.add(CALLER, "the phrase of a caller", "admin")
    token = {
        "TOKEN_USER": CALLER,
        "TOKEN_ISSUED_AT": str(api.deps.now_ms() // 1000),
        "TOKEN_PASSWORD_CHANGED_AT": str(caller.password_changed_at),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", str(document)),
        *("--url", str(api.client.make_url("/")).rstrip("/"), "--phases", phases),
        cwd=document.parent,
        env={**os.environ, **token, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


@pytest.mark.parametrize(
    "phases",
    ["examples,fuzzing", pytest.param("coverage", marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
async def test_schemathesis_finds_nothing(
    serve: Callable[[Dependencies], Awaitable[Api]],
    unlimited: Dependencies,
    table: UsageTable,
    tmp_path: Path,
    phases: str,
) -> None:
    api = await serve(unlimited)
    document = tmp_path / "openapi.json"
    document.write_text(await document_with_data(api, table))
    exit_code, report = await run(api, document, phases)
    assert exit_code == 0, report
