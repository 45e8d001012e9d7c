"""The scopes and limits that requests may set."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.http.field_types import AllowedIps, AllowedTables, AllowedTools, Limit, ReadOnly, ToolRateLimits


class RestrictionFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Scopes and limits: the fields of `gateway.keys.record.Restrictions`, which a request may leave out."""

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
    read_only: ReadOnly | UnsetType = UNSET

    def set_fields(self) -> dict[str, Any]:
        """Return the fields that the request has."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
