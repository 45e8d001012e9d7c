"""What Redis holds of an API key: everything but the key."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["active", "expired", "revoked"]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key as it is stored. Times are milliseconds since the epoch; `None` means without limit."""

    key_id: str
    key_name: str
    key_prefix: str
    owner: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    allowed_tools: tuple[str, ...] | None = None
    """Globs of tool names (`fnmatchcase`)."""
    allowed_tables: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    """Addresses or networks in CIDR notation."""
    rate_limit_per_minute: int | None = None
    records_per_day: int | None = None
    calls_per_day: int | None = None
    labels: dict[str, str] = {}

    def status(self, now_ms: int) -> Status:
        """Whether the key may be used at `now_ms`; revoked counts before expired."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_ms:
            return "expired"
        return "active"
