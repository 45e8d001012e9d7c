"""The state of the installation."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from admin_api.endpoints.system import status
from admin_api.http import cached_status
from gateway.doctor import Check
from gateway.redis import client as redis_client
from gateway.redis import names
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api
from tests.support.valkey import Valkey

UPSTREAM = Check("upstream", "failed", "http://127.0.0.1:9/mcp cannot be reached", "start it")


class Checks:
    """Checks that are counted, and answer when they may."""

    def __init__(self) -> None:
        self.count = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self) -> Sequence[Check]:
        self.count += 1
        await self.may_answer.wait()
        return [UPSTREAM, Check("clock", "ok", "agrees")]


@pytest.fixture
def checks() -> Checks:
    return Checks()


@pytest.fixture
def deps(deps: Dependencies, checks: Checks) -> Dependencies:
    return dataclasses.replace(deps, diagnose=checks)


@pytest.mark.usefixtures("table")
async def test_every_part_of_a_healthy_installation_is_shown(admin: Api, redis: redis.asyncio.Redis) -> None:
    await redis.delete(names.USAGE)
    response = await admin.get("/api/system")
    assert response.status == 200
    body = response.body
    assert (body["redis"]["status"], body["clickhouse"]["status"]) == ("ok", "ok")
    assert body["upstream"] == {"status": "failed", "detail": UPSTREAM.finding, "fix": "start it", "latency_ms": None}
    assert body["stream"] == {"entries": 0, "oldest_at": None}
    assert body["spool"] == {"events": 0, "processes": 0}
    assert body["dead_letters"] == {"entries": 0, "oldest_at": None}
    assert body["balance"]["balanced"] is True
    assert body["versions"]["gateway"] == "0.0.0-test"
    assert all(body["versions"].values())
    assert [finding["name"] for finding in body["findings"]] == ["upstream", "clock"]


async def test_what_waits_is_counted(admin: Api, redis: redis.asyncio.Redis) -> None:
    await redis.delete(names.USAGE)
    await redis.xadd(names.USAGE, {"e": "x"}, id="1767225600000-0")
    await redis.xadd(names.USAGE, {"e": "x"})
    await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": "x"}, id="1767225600001-0")
    await redis.hset(names.USAGE_SPOOLED_ONLY, mapping={"gw-1": 3, "gw-2": 4})
    body = (await admin.get("/api/system")).body
    assert body["stream"] == {"entries": 2, "oldest_at": "2026-01-01T00:00:00.000Z"}
    assert body["dead_letters"] == {"entries": 1, "oldest_at": "2026-01-01T00:00:00.001Z"}
    assert body["spool"] == {"events": 7, "processes": 2}


async def test_concurrent_and_soon_repeated_requests_share_one_check(admin: Api, checks: Checks) -> None:
    responses = await asyncio.gather(*(admin.get("/api/system") for _ in range(5)))
    assert {response.status for response in responses} == {200}
    assert (await admin.get("/api/system")).body == responses[0].body
    assert checks.count == 1


async def test_a_result_is_checked_again_once_it_is_old(
    admin: Api, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_status, "CACHE_SECONDS", 0.0)
    for count in (1, 2):
        assert (await admin.get("/api/system")).status == 200
        assert checks.count == count


async def test_checks_that_hang_leave_the_other_parts(
    admin: Api, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "DIAGNOSIS_SECONDS", 0.05)
    checks.may_answer.clear()
    body = (await admin.get("/api/system")).body
    assert body["redis"]["status"] == "ok"
    assert body["upstream"]["status"] == "skipped"
    assert [finding["status"] for finding in body["findings"]] == ["failed"]


async def test_without_redis_the_other_parts_are_shown(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, valkey: Valkey
) -> None:
    client = redis_client.connect(valkey.url)
    await deps.users.add(ADMIN, PASSWORD, "admin")
    valkey.kill()
    api = await (await serve(dataclasses.replace(deps, redis=client))).logged_in(ADMIN)
    response = await api.get("/api/system")
    assert (response.status, response.body["redis"]["status"]) == (200, "failed")
    assert response.body["clickhouse"]["status"] == "ok"
    assert response.body["stream"] == {"entries": None, "oldest_at": None}
    assert response.body["spool"]["events"] is None
    assert response.body["balance"] is None
    assert response.body["versions"]["redis"] is None
    await client.aclose()


async def test_auditors_see_the_state_and_members_do_not(api: Api, user: Api) -> None:
    await api.deps.users.add("eve@example.com", PASSWORD, "auditor")
    assert (await (await api.logged_in("eve@example.com")).get("/api/system")).status == 200
    assert (await (await api.logged_in(USER)).get("/api/system")).status == 403
    assert (await api.get("/api/system")).status == 401
