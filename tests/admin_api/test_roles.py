"""The rights of the roles: each operation of the OpenAPI document, sent as its example by everybody."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from admin_api.access.page_cookie import COOKIE_NAME, PAGE_HEADER
from gateway.accounts.password_links import PasswordLinks
from gateway.accounts.user import Role
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, USER, Api, Response, assert_problem, event
from tests.support.api_document import OPERATIONS, Operation

AUDITOR = "eve@example.com"
STRANGER = "grace@example.com"
PASSWORD = Operation("POST", "/api/auth/login").body()["password"]
"""The password of everybody, which is that of the examples."""
EXAMPLE_KEY_ID = Operation("GET", "/api/mcp-keys/show").query()["key_id"]
EXAMPLE_SESSION_ID = Operation("POST", "/api/auth/sessions/end").body()["session_id"]
EXAMPLE_LINK_TOKEN = Operation("POST", "/api/auth/accept-invite").body()["token"]

ROLES = ("nobody", "owner", "stranger", "auditor", "admin")
"""The owner is the member to whom the key and the session of the examples belong, the stranger another member."""

EVERYBODY = (200, 200, 200, 200, 200)
LOGGED_IN = (401, 200, 200, 200, 200)
OWN_AND_READERS = (401, 200, 403, 200, 200)
READERS = (401, 403, 403, 200, 200)
ADMINS = (401, 403, 403, 403, 200)
ADMINS_ADD = (401, 403, 403, 403, 201)
OWN_KEY = (401, 200, 404, 403, 200)

STATUSES = {
    "POST /api/auth/login": EVERYBODY,
    "POST /api/auth/accept-invite": EVERYBODY,
    "GET /api/auth/me": LOGGED_IN,
    "POST /api/auth/password": LOGGED_IN,
    "POST /api/auth/logout": LOGGED_IN,
    "POST /api/auth/refresh": LOGGED_IN,
    "GET /api/auth/sessions": LOGGED_IN,
    "POST /api/auth/sessions/end": (401, 200, 404, 404, 404),
    "POST /api/mcp-keys/create": (401, 201, 201, 403, 201),
    "GET /api/mcp-keys/list": OWN_AND_READERS,
    "GET /api/mcp-keys/show": (401, 200, 404, 200, 200),
    "POST /api/mcp-keys/update": OWN_KEY,
    "POST /api/mcp-keys/rotate": OWN_KEY,
    "POST /api/mcp-keys/end-overlap": OWN_KEY,
    "POST /api/mcp-keys/suspend": OWN_KEY,
    "POST /api/mcp-keys/resume": OWN_KEY,
    "POST /api/mcp-keys/revoke": OWN_KEY,
    "POST /api/mcp-keys/bulk-revoke": ADMINS,
    "POST /api/mcp-keys/transfer": ADMINS,
    "GET /api/mcp-usage/history": LOGGED_IN,
    "GET /api/mcp-usage/export": LOGGED_IN,
    "GET /api/mcp-usage/stats": LOGGED_IN,
    "GET /api/mcp-usage/reconcile": READERS,
    "GET /api/mcp-usage/readers": LOGGED_IN,
    "GET /api/mcp-usage/doubts": LOGGED_IN,
    "GET /api/mcp-usage/recent": LOGGED_IN,
    "GET /api/mcp-usage/denials": LOGGED_IN,
    "GET /api/mcp-usage/denials/export": LOGGED_IN,
    "GET /api/users": READERS,
    "POST /api/users/add": ADMINS_ADD,
    "POST /api/users/invite": ADMINS_ADD,
    "POST /api/users/reset-link": ADMINS,
    "POST /api/users/update": ADMINS,
    "POST /api/users/disable": ADMINS,
    "POST /api/users/enable": ADMINS,
    "POST /api/users/delete": ADMINS,
    "GET /api/audit": READERS,
    "GET /api/audit/export": READERS,
    "GET /api/alerts": READERS,
    # No webhook is set.
    "POST /api/alerts/test": (401, 403, 403, 403, 409),
    "GET /api/system": READERS,
    "GET /api/system/dead-letters": READERS,
    "POST /api/system/dead-letters/retry": ADMINS,
    "POST /api/system/dead-letters/drop": ADMINS,
    "GET /api/info": LOGGED_IN,
}
"""The status of the example of each operation, by role."""

ADDS_USER = {"/api/users/add", "/api/users/invite"}


class World(NamedTuple):
    """A client of each role, and the texts of the examples that name things which exist here."""

    clients: dict[str, Api]
    replaced: dict[str, str]

    async def send(self, operation: Operation, role: str, **headers: str) -> Response:
        replaced = self.replaced | ({USER: "new@example.com"} if operation.path in ADDS_USER else {})
        return await operation.send_example(self.clients[role].with_headers(**headers), replaced)


async def new_world(api: Api, *, by_cookie: bool = False) -> World:
    """Make users of all roles, a key, and a one-time link; with `by_cookie` they are logged in as by the page."""
    deps = api.deps
    await deps.redis.flushall()
    clients = {"nobody": api}
    users: tuple[tuple[str, Role], ...] = (
        (USER, "member"),
        (STRANGER, "member"),
        (AUDITOR, "auditor"),
        (ADMIN, "admin"),
    )
    for name, (email, role) in zip(ROLES[1:], users, strict=True):
        user = await deps.users.add(email, PASSWORD, role)
        session = await deps.sessions.start(user, "127.0.0.1", "test")
        token = deps.tokens.issue(user, session_id=session.id, expires_at_ms=session.expires_at)
        clients[name] = api.with_headers(Cookie=f"{COOKIE_NAME}={token}") if by_cookie else api.with_token(token)
    owner = await deps.users.get(USER)
    assert owner is not None
    (session,) = await deps.sessions.list(owner)
    record, _ = await deps.keys.create(owner=USER, key_name="laptop", labels={"team": "red"})
    link = await PasswordLinks(deps.redis, deps.users, now_ms=deps.now_ms).issue(owner, "reset")
    replaced = {
        EXAMPLE_KEY_ID: record.key_id,
        EXAMPLE_SESSION_ID: session.id,
        EXAMPLE_LINK_TOKEN: link.token,
    }
    return World(clients, replaced)


def test_every_operation_has_its_line_in_the_table() -> None:
    assert set(STATUSES) == set(map(str, OPERATIONS))


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_role_gets_the_status_of_the_table_and_a_documented_response(
    api: Api, usage_table: UsageTable, operation: Operation
) -> None:
    if "usage" in operation.path:
        await usage_table.insert_async([event(), event(record_count=None, table_names=())], str(operation))
    statuses = {}
    world = await new_world(api)
    for role, expected in zip(ROLES, STATUSES[str(operation)], strict=True):
        response = await world.send(operation, role)
        statuses[role] = response.status
        if operation.method == "POST" and response.status < 400:
            world = await new_world(api)
        operation.check(response)
        if expected >= 400:
            assert_problem(response, expected)
        if expected == 401:
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="admin"'
    assert statuses == dict(zip(ROLES, STATUSES[str(operation)], strict=True))


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if not one.is_open], ids=str)
async def test_the_cookie_of_the_page_changes_nothing_without_the_header_of_the_page(
    api: Api, operation: Operation
) -> None:
    world = await new_world(api, by_cookie=True)
    role = next(role for role, status in zip(ROLES, STATUSES[str(operation)], strict=True) if status not in (401, 403))
    allowed = STATUSES[str(operation)][ROLES.index(role)]
    if operation.method == "POST":
        refused = await world.send(operation, role)
        operation.check(refused)
        assert_problem(refused, 403)
        assert PAGE_HEADER in refused.body["detail"]
        response = await world.send(operation, role, X_Gateway_Page="1")
    else:
        response = await world.send(operation, role)
    assert response.status == allowed


async def test_a_request_that_cannot_be_understood_is_a_documented_problem(api: Api) -> None:
    admin = (await new_world(api)).clients["admin"]
    for operation in OPERATIONS:
        unknown = await (
            admin.post(operation.path, {"unknown": 1})
            if operation.method == "POST"
            else admin.get(operation.path, unknown="1")
        )
        operation.check(unknown)
        assert_problem(unknown, 400)
        assert "unknown" in unknown.fields
        assert_problem(await admin.request("DELETE", operation.path), 405)


async def test_a_body_that_is_not_json_is_a_documented_problem(api: Api) -> None:
    admin = (await new_world(api)).clients["admin"]
    for operation in [one for one in OPERATIONS if one.method == "POST"]:
        for media_type, body, status in (("application/json", b"{", 400), ("text/plain", b"{}", 415)):
            response = await admin.request("POST", operation.path, data=body, headers={"Content-Type": media_type})
            operation.check(response)
            assert_problem(response, status)


async def test_an_auditor_reads_the_keys_and_the_usage_of_all_owners(api: Api) -> None:
    clients = (await new_world(api)).clients
    key_id = (await clients["owner"].keys())[0]["key_id"]
    for query in ({"all": "true"}, {"owner": USER}):
        assert [key["key_id"] for key in await clients["auditor"].keys(**query)] == [key_id]
        for path in ("history", "stats", "export"):
            assert (await clients["auditor"].get(f"/api/mcp-usage/{path}", **query)).status == 200
    assert await clients["auditor"].keys() == []


@pytest.mark.parametrize("query", [{"all": "true"}, {"owner": ADMIN}])
async def test_a_member_reads_no_data_of_others(user: Api, query: dict[str, str]) -> None:
    for path in ("/api/mcp-keys/list", "/api/mcp-usage/history", "/api/mcp-usage/stats", "/api/mcp-usage/export"):
        response = await user.get(path, **query)
        assert_problem(response, 403)
        assert response.body["detail"] == "Only an admin or an auditor may read the data of other owners."
