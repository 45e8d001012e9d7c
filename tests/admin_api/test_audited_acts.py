"""The acts in the audit log: each operation that does something is recorded, each denial is, and no secret ever."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis.asyncio

from gateway.audit.entry import AuditEntry
from tests.admin_api.test_roles import EXAMPLE_LINK_TOKEN, PASSWORD, ROLES, STATUSES, World, new_world
from tests.support.admin_api import Api, Response
from tests.support.api_document import OPERATIONS, Operation
from tests.support.audit import audit_entries

ACTS = {
    "POST /api/auth/login": {"auth.login"},
    "POST /api/auth/accept-invite": {"auth.login", "user.password"},
    "POST /api/auth/password": {"user.password"},
    "POST /api/auth/logout": {"auth.logout"},
    "POST /api/auth/sessions/end": {"auth.end_sessions"},
    "POST /api/mcp-keys/create": {"key.create"},
    "POST /api/mcp-keys/rotate": {"key.rotate"},
    "POST /api/mcp-keys/update": {"key.update"},
    "POST /api/mcp-keys/revoke": {"key.revoke"},
    "POST /api/mcp-keys/suspend": {"key.suspend"},
    "POST /api/mcp-keys/transfer": {"key.transfer"},
    "GET /api/mcp-usage/export": {"usage.export"},
    "GET /api/mcp-usage/denials/export": {"usage.export_denials"},
    "POST /api/users/add": {"user.add"},
    "POST /api/users/invite": {"user.add", "user.invite"},
    "POST /api/users/reset-link": {"user.reset_link"},
    "POST /api/users/update": {"user.update"},
    "POST /api/users/disable": {"user.disable", "key.suspend"},
    "POST /api/users/delete": {"user.delete", "key.transfer"},
    "GET /api/audit/export": {"audit.export"},
}
"""The acts of a successful example of each operation. Those of the others read, or find nothing to change."""

_DENIED = [
    (operation, role)
    for operation in OPERATIONS
    for role, status in zip(ROLES, STATUSES[str(operation)], strict=True)
    if status == 403
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_what_an_operation_does_is_recorded_without_secrets(
    api: Api, redis: redis.asyncio.Redis, operation: Operation
) -> None:
    world = await new_world(api)
    statuses = dict(zip(ROLES, STATUSES[str(operation)], strict=True))
    role = next(role for role, status in statuses.items() if status < 400 or status == 409)
    before = await audit_entries(redis)
    response = await world.send(operation, role)
    assert response.status == statuses[role]
    added = [entry for entry in await audit_entries(redis) if entry not in before]
    assert {entry.act for entry in added} == ACTS.get(str(operation), set())
    assert {entry.result for entry in added} <= {"ok"}
    assert_no_secret(added, secrets_of(world, response))


@pytest.mark.parametrize(("operation", "role"), _DENIED, ids=str)
async def test_a_denied_request_is_recorded_without_secrets(
    api: Api, redis: redis.asyncio.Redis, operation: Operation, role: str
) -> None:
    world = await new_world(api)
    before = await audit_entries(redis)
    response = await world.send(operation, role)
    assert response.status == 403
    (entry,) = [entry for entry in await audit_entries(redis) if entry not in before]
    assert entry.result == "denied"
    assert_no_secret([entry], secrets_of(world, response))


def secrets_of(world: World, response: Response) -> set[str]:
    """Return the secrets that the world and a response have."""
    tokens = {str(client.token) for client in world.clients.values() if client.token}
    secrets = {PASSWORD, world.replaced[EXAMPLE_LINK_TOKEN], *tokens}
    body: Any = response.body if isinstance(response.body, dict) else {}
    secrets |= {str(body[name]) for name in ("api_key", "access_token") if name in body}
    return secrets | set(re.findall(r"token=([\w-]+)", str(body)))


def assert_no_secret(entries: list[AuditEntry], secrets: set[str]) -> None:
    text = repr(entries)
    assert [secret for secret in secrets if secret in text] == []
    assert "sha256" not in text
    assert "argon2" not in text
