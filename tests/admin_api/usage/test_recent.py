"""The calls of the last seconds over HTTP."""

from __future__ import annotations

import pytest

from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import OTHER, insert
from tests.support.admin_api import ADMIN, USER, Api, event

PATH = "/api/mcp-usage/recent"


async def test_members_see_their_own_recent_calls_and_admins_all(user: Api, admin: Api, table: UsageTable) -> None:
    now = table.now_ms()
    await insert(table, *(event(created_at=now - 1000, owner=owner) for owner in (USER, OTHER, ADMIN)))
    for query in ({"owner": OTHER}, {"all": "true"}):
        assert (await user.get(PATH, **query)).status == 403
    assert [row["owner"] for row in (await user.get(PATH)).body["rows"]] == [USER]
    body = (await admin.get(PATH, all="true", by="owner", seconds="30")).body
    assert ({row["owner"] for row in body["rows"]}, body["totals"]["calls"]) == ({USER, OTHER, ADMIN}, 3)
    assert (body["seconds"], body["truncated"]) == (30, False)
    assert (await user.with_token(None).get(PATH)).status == 401


@pytest.mark.parametrize(
    ("query", "fields"),
    [({"by": "table"}, {"by"}), ({"seconds": "4"}, {"seconds"}), ({"seconds": "3601", "by": "x"}, {"seconds", "by"})],
)
async def test_an_invalid_query_is_400_and_names_every_field(
    user: Api, query: dict[str, str], fields: set[str]
) -> None:
    response = await user.get(PATH, **query)
    assert (response.status, response.fields) == (400, fields)
