"""The stored record of an API key: everything except the secret."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["active", "suspended", "expired", "revoked"]
Suspender = Literal["owner", "admin"]


class Restrictions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Scopes, limits and the end of a key, all optional: `None` means without that restriction."""

    expires_at: int | None = None
    allowed_tools: tuple[str, ...] | None = None
    """Glob patterns of tool names (`fnmatch.fnmatchcase`)."""
    allowed_tables: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    """Addresses or networks in CIDR notation."""
    rate_limit_per_minute: int | None = None
    records_per_day: int | None = None
    calls_per_day: int | None = None
    records_per_month: int | None = None
    calls_per_month: int | None = None
    tool_rate_limits: dict[str, int] | None = None
    """Calls a minute by glob of tool names: all tools that match a glob share its limit."""

    @property
    def has_record_limits(self) -> bool:
        """True if the records of results are limited."""
        return self.records_per_day is not None or self.records_per_month is not None


class KeyRecord(Restrictions, frozen=True, kw_only=True, omit_defaults=True):
    """The record of an API key. Timestamps are milliseconds since the epoch."""

    key_id: str
    key_name: str
    key_prefix: str
    owner: str
    created_at: int
    revoked_at: int | None = None
    suspended_at: int | None = None
    suspended_by: Suspender | None = None
    owner_disabled_at: int | None = None
    """Set while the owner is a disabled user, which suspends the key, too."""
    ceiling: Restrictions | None = None
    """The restrictions that an admin has set; `None` for none."""
    labels: dict[str, str] = {}

    @property
    def suspended_since(self) -> int | None:
        """The beginning of the suspension; that of the key itself comes before that of its owner."""
        return self.owner_disabled_at if self.suspended_at is None else self.suspended_at

    @property
    def suspender(self) -> Suspender | None:
        """The author of the suspension; a disabled owner was disabled by an admin."""
        return "admin" if self.owner_disabled_at is not None else self.suspended_by

    def status(self, now_ms: int) -> Status:
        """Return the status at `now_ms`: the first that applies of revoked, expired and suspended."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_ms:
            return "expired"
        if self.suspended_at is not None or self.owner_disabled_at is not None:
            return "suspended"
        return "active"
