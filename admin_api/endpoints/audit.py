"""Reading the audit trail, for admins."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import Caller, Endpoint
from admin_api.http.field_types import AuditLimit, AuditPlace
from gateway.accounts.audit_trail import StoredEntry
from gateway.timestamps import format_rfc3339


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which page of the trail."""

    limit: AuditLimit = 100
    before: AuditPlace | None = None


class AuditItem(msgspec.Struct, frozen=True):
    """Who did what to which key or user; what does not apply is `null`."""

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
    """Newest first; `next` is the `before` of the page that follows, `null` at the end."""

    items: list[AuditItem]
    next: str | None


async def read_audit(deps: Dependencies, caller: Caller, given: AuditQuery) -> AuditPage:
    """One page of the trail."""
    entries = await deps.audit.newest(given.limit, given.before)
    following = entries[-1].id if len(entries) == given.limit else None
    return AuditPage([_item(entry) for entry in entries], following)


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


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/audit",
        summary="Who did what to which key or user",
        access="admin",
        takes=AuditQuery,
        handler=read_audit,
        answers=AuditPage,
    ),
)
