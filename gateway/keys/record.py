"""The stored record of an API key: everything except the secret."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["active", "expired", "revoked"]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of an API key. Timestamps are milliseconds since the epoch; a limit of `None` means no limit."""

    key_id: str
    key_name: str
    key_prefix: str
    owner: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    allowed_tools: tuple[str, ...] | None = None
    """Glob patterns of tool names (`fnmatch.fnmatchcase`)."""
    allowed_tables: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    """Addresses or networks in CIDR notation."""
    rate_limit_per_minute: int | None = None
    records_per_day: int | None = None
    calls_per_day: int | None = None
    labels: dict[str, str] = {}

    def status(self, now_ms: int) -> Status:
        """Return the status at `now_ms`; a key that is both revoked and expired is `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_ms:
            return "expired"
        return "active"
