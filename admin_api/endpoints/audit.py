"""The audit trail, for admins and auditors."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.field_types import AuditEntryId, AuditLimit
from gateway.accounts.audit_trail import StoredEntry
from gateway.timestamps import format_rfc3339


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Page of the audit trail."""

    limit: AuditLimit = 100
    before: AuditEntryId | None = None


class AuditItem(msgspec.Struct, frozen=True):
    """A change: who made it, and the key or user it changed. Fields that do not apply are `null`."""

    id: str
    created_at: str
    actor: str
    action: str
    address: str
    key_id: str | None
    owner: str | None
    user: str | None
    details: dict[str, str]


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first; `next` is the `before` of the next page, `null` on the last page."""

    items: list[AuditItem]
    next: str | None


async def read_audit(deps: Dependencies, caller: ApiCaller, params: AuditQuery) -> AuditPage:
    """Return one page of the audit trail."""
    entries = await deps.audit.newest(params.limit, params.before)
    next_id = entries[-1].id if len(entries) == params.limit else None
    return AuditPage([_item(entry) for entry in entries], next_id)


def _item(stored: StoredEntry) -> AuditItem:
    entry = stored.entry
    return AuditItem(
        id=stored.id,
        created_at=format_rfc3339(entry.at),
        actor=entry.actor,
        action=entry.action,
        address=entry.address,
        key_id=entry.key_id,
        owner=entry.owner,
        user=entry.user,
        details=entry.details,
    )


_EXAMPLE = AuditPage(
    [
        AuditItem(
            id="1767225600000-0",
            created_at="2026-01-01T00:00:00.000Z",
            actor="root@example.com",
            action="key.create",
            address="192.0.2.7",
            key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
            owner="ada@example.com",
            user=None,
            details={"key_name": "laptop"},
        )
    ],
    next="1767225600000-0",
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/audit",
        summary="Read the audit trail, newest first",
        access="auditor",
        params=AuditQuery,
        handler=read_audit,
        response=AuditPage,
        request_example=AuditQuery(limit=1),
        response_example=_EXAMPLE,
    ),
)
