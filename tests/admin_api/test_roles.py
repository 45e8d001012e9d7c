"""The rights of the roles."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.app import ENDPOINTS
from admin_api.http.endpoint import Endpoint
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api

AUDITOR = "eve@example.com"


@pytest.fixture
async def auditor(api: Api) -> Api:
    await api.deps.users.add(AUDITOR, PASSWORD, "auditor")
    return await api.logged_in(AUDITOR)


CHANGES = [endpoint for endpoint in ENDPOINTS if endpoint.method == "POST" and "/auth/" not in endpoint.path]
READINGS = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]


@pytest.mark.parametrize("endpoint", CHANGES, ids=lambda endpoint: endpoint.path)
async def test_an_auditor_changes_nothing(auditor: Api, endpoint: Endpoint[Any]) -> None:
    response = await auditor.post(endpoint.path, {})
    assert response.status == 403


async def test_an_auditor_creates_no_key(auditor: Api) -> None:
    response = await auditor.post("/api/mcp-keys/create", {"key_name": "x"})
    assert (response.status, response.body["detail"]) == (403, "An auditor may read everything and change nothing.")


@pytest.mark.parametrize("endpoint", READINGS, ids=lambda endpoint: endpoint.path)
async def test_an_auditor_may_read_everything(auditor: Api, endpoint: Endpoint[Any]) -> None:
    response = await auditor.get(endpoint.path)
    assert response.status in (200, 400)


async def test_an_auditor_reads_the_keys_of_all_owners(auditor: Api, user: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    assert [key["key_id"] for key in await auditor.keys(all="true")] == [key_id]
    assert [key["key_id"] for key in await auditor.keys(owner=USER)] == [key_id]
    assert await auditor.keys() == []
    assert (await auditor.get("/api/mcp-keys/show", key_id=key_id)).body["key_id"] == key_id


async def test_an_auditor_reads_the_usage_of_all_owners(auditor: Api) -> None:
    for path in ("history", "stats", "export"):
        for query in ({"all": "true"}, {"owner": USER}):
            assert (await auditor.get(f"/api/mcp-usage/{path}", **query)).status == 200


async def test_an_auditor_may_change_the_own_password(auditor: Api) -> None:
    response = await auditor.post(
        "/api/auth/password", {"current_password": PASSWORD, "new_password": "another good password"}
    )
    assert response.status == 200


@pytest.mark.parametrize("query", [{"all": "true"}, {"owner": ADMIN}])
async def test_a_member_reads_no_data_of_others(user: Api, query: dict[str, str]) -> None:
    response = await user.get("/api/mcp-keys/list", **query)
    assert (response.status, response.body["detail"]) == (
        403,
        "Only an admin or an auditor may read the data of other owners.",
    )
