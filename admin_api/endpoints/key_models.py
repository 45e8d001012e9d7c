"""Requests and responses of the endpoints of API keys."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.http.field_types import (
    AllowedIps,
    AllowedTables,
    AllowedTools,
    AnyEmail,
    ExpiresDays,
    Flag,
    KeyId,
    KeyName,
    Labels,
    Limit,
    OverlapSeconds,
    ToolRateLimits,
)
from gateway.keys.record import Status, Suspender


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new key. Limits that are omitted do not apply."""

    key_name: KeyName
    expires_days: ExpiresDays = None
    allowed_tools: AllowedTools = None
    allowed_tables: AllowedTables = None
    allowed_ips: AllowedIps = None
    rate_limit_per_minute: Limit = None
    records_per_day: Limit = None
    calls_per_day: Limit = None
    records_per_month: Limit = None
    calls_per_month: Limit = None
    tool_rate_limits: ToolRateLimits = None
    max_concurrent: Limit = None
    read_only: Flag = False
    labels: Labels = {}


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its new secret, `api_key`, which is shown only once."""

    key_id: str
    key_name: str
    api_key: str
    key_prefix: str
    created_at: str
    expires_at: str | None


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Owner of the keys; by default the caller."""

    owner: AnyEmail | None = None
    all: Flag = False


class KeyCeiling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The restrictions that an admin has set on a key; absent ones are free. The owner can narrow them only."""

    expires_at: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    allowed_tables: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    rate_limit_per_minute: int | None = None
    records_per_day: int | None = None
    calls_per_day: int | None = None
    records_per_month: int | None = None
    calls_per_month: int | None = None
    tool_rate_limits: dict[str, int] | None = None
    max_concurrent: int | None = None
    read_only: bool = False


class KeyItem(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    key_id: str
    key_name: str
    key_prefix: str
    owner: str
    status: Status
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    suspended_at: str | None
    suspended_by: Suspender | None
    last_used_at: str | None
    allowed_tools: tuple[str, ...] | None
    allowed_tables: tuple[str, ...] | None
    allowed_ips: tuple[str, ...] | None
    rate_limit_per_minute: int | None
    records_per_day: int | None
    calls_per_day: int | None
    records_per_month: int | None
    calls_per_month: int | None
    tool_rate_limits: dict[str, int] | None
    max_concurrent: int | None
    read_only: bool
    ceiling: KeyCeiling
    labels: dict[str, str]


class KeyList(msgspec.Struct, frozen=True):
    """Keys, newest first."""

    keys: list[KeyItem]


class RevokeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to revoke."""

    key_id: KeyId


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A revoked key."""

    key_id: str
    status: Literal["revoked"] = "revoked"


class SuspendKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to suspend."""

    key_id: KeyId


class ResumeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to resume."""

    key_id: KeyId


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its status, which is `expired` for a key that has ended, suspended or not."""

    key_id: str
    status: Status


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key that gets a new secret, and how long the old secret still works."""

    key_id: KeyId
    overlap_seconds: OverlapSeconds = 0


class UpdateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes to a key; omitted fields keep their value."""

    key_id: KeyId
    key_name: KeyName | UnsetType = UNSET
    expires_days: ExpiresDays | UnsetType = UNSET
    allowed_tools: AllowedTools | UnsetType = UNSET
    allowed_tables: AllowedTables | UnsetType = UNSET
    allowed_ips: AllowedIps | UnsetType = UNSET
    rate_limit_per_minute: Limit | UnsetType = UNSET
    records_per_day: Limit | UnsetType = UNSET
    calls_per_day: Limit | UnsetType = UNSET
    records_per_month: Limit | UnsetType = UNSET
    calls_per_month: Limit | UnsetType = UNSET
    tool_rate_limits: ToolRateLimits | UnsetType = UNSET
    max_concurrent: Limit | UnsetType = UNSET
    read_only: Flag | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
