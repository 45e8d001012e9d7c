"""Examples of the requests and responses of keys, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from admin_api.endpoints.keys.models import (
    BulkRevoke,
    CreatedKey,
    CreateKey,
    EndedOverlap,
    EndOverlap,
    KeyCeiling,
    KeyDetails,
    KeyItem,
    KeyList,
    KeyStatus,
    LimitItem,
    ListQuery,
    ReplayedKey,
    ResumeKey,
    RevokedKey,
    RevokedKeys,
    RevokeKey,
    RotateKey,
    SecretItem,
    ShowQuery,
    SuspendKey,
    TransferKey,
    TransferredKey,
    UpdatedKey,
    UpdateKey,
)

_ID = "key_2xKqT0aZ7bLm9cNd4Pe8"
_PREFIX = "sk-4fG7hJ2k"
_SINCE = "2026-01-01T00:00:00.000Z"
_END = "2026-04-01T00:00:00.000Z"
_KEY: dict[str, Any] = {
    "key_id": _ID,
    "key_name": "laptop",
    "key_prefix": _PREFIX,
    "owner": "ada@example.com",
    "status": "active",
    "created_at": _SINCE,
    "expires_at": _END,
    "revoked_at": None,
    "suspended_at": None,
    "suspended_by": None,
    "last_used_at": "2026-01-15T09:30:00.000Z",
    "allowed_tools": ("get_*", "query"),
    "allowed_tables": None,
    "allowed_ips": None,
    "rate_limit_per_minute": None,
    "records_per_day": None,
    "calls_per_day": 1000,
    "records_per_month": None,
    "calls_per_month": None,
    "tool_rate_limits": None,
    "max_concurrent": None,
    "read_only": False,
    "ceiling": KeyCeiling(calls_per_day=5000),
    "labels": {"team": "red"},
}

CREATE = CreateKey(
    key_name="laptop", expires_days=90, allowed_tools=("get_*", "query"), calls_per_day=1000, labels={"team": "red"}
)
CREATED = CreatedKey(
    key_id=_ID,
    key_name="laptop",
    api_key=f"{_PREFIX}…",
    key_prefix=_PREFIX,
    created_at=_SINCE,
    expires_at=_END,
)
REPLAYED = ReplayedKey(key_id=_ID, key_name="laptop", key_prefix=_PREFIX, created_at=_SINCE, expires_at=_END)
ROTATE = RotateKey(_ID, overlap_seconds=86_400)
LIST = ListQuery(owner="ada@example.com", label="team=red", sort="name", limit=50)
LISTED = KeyList([KeyItem(**_KEY)], total=1, next_cursor=None)
SHOW = ShowQuery(_ID)
SHOWN = KeyDetails(
    **_KEY,
    secrets=[
        SecretItem(
            prefix=_PREFIX,
            since=_SINCE,
            until=None,
            last_used_at="2026-01-15T09:30:00.000Z",
            client="claude-code",
            address="192.0.2.7",
        )
    ],
    limits=[
        LimitItem(name="calls_per_day", of="key", limit=1000, used=250, left=750, resets_at="2026-01-16T00:00:00.000Z")
    ],
)
UPDATE = UpdateKey(key_id=_ID, calls_per_day=1000, labels={"team": "red"})
UPDATED = UpdatedKey(**_KEY, warnings=[])
REVOKE = RevokeKey(_ID)
REVOKED = RevokedKey(key_id=_ID)
END_OVERLAP = EndOverlap(_ID)
ENDED_OVERLAP = EndedOverlap(key_id=_ID, key_prefix=_PREFIX, ended_secrets=1)
BULK_REVOKE = BulkRevoke(label="team=red", dry_run=True)
BULK_REVOKED = RevokedKeys(key_ids=[_ID], dry_run=True)
SUSPEND = SuspendKey(_ID)
SUSPENDED = KeyStatus(key_id=_ID, status="suspended")
RESUME = ResumeKey(_ID)
RESUMED = KeyStatus(key_id=_ID, status="active")
TRANSFER = TransferKey(_ID, "grace@example.com")
TRANSFERRED = TransferredKey(key_id=_ID, owner="grace@example.com", status="active")
