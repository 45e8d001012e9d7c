"""The stored record of an API key: everything except the secret."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["active", "suspended", "expired", "revoked"]
Suspender = Literal["owner", "admin"]


class Restrictions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Scopes and limits, all optional: `None` means no restriction."""

    allowed_tools: tuple[str, ...] | None = None
    """Glob patterns of tool names (`fnmatch.fnmatchcase`)."""
    allowed_tables: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    """Addresses or networks in CIDR notation."""
    read_only: bool = False
    """Only tools that the upstream declares as read-only (`readOnlyHint`)."""
    rate_limit_per_minute: int | None = None
    records_per_day: int | None = None
    calls_per_day: int | None = None
    records_per_month: int | None = None
    calls_per_month: int | None = None
    tool_rate_limits: dict[str, int] | None = None
    """Calls a minute by glob of tool names: all tools that match a glob share its limit."""
    max_concurrent: int | None = None
    """Calls in flight."""


class KeyRestrictions(Restrictions, frozen=True, kw_only=True, omit_defaults=True):
    """The scopes, limits and expiry of a key."""

    expires_at: int | None = None


class KeyDefaults(Restrictions, frozen=True, kw_only=True, omit_defaults=True):
    """The values that a new key gets for fields that its creation leaves out."""

    expires_days: int | None = None


class OwnerPolicy(Restrictions, frozen=True, kw_only=True, omit_defaults=True):
    """The policy of an owner, set by admins: scopes that hold for all keys, and limits that all keys share."""

    max_keys: int | None = None
    """Keys that are neither revoked nor expired."""
    max_key_days: int | None = None
    """The longest lifetime in days that a key may be given, from now."""
    defaults: KeyDefaults = KeyDefaults()


class KeyRecord(KeyRestrictions, frozen=True, kw_only=True, omit_defaults=True):
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
    ceiling: KeyRestrictions | None = None
    """The restrictions that an admin has set; `None` for none."""
    labels: dict[str, str] = {}
    owner_policy: OwnerPolicy | None = None
    """The policy of the owner, joined by a lookup; not stored with the key."""

    @property
    def restrictions(self) -> tuple[Restrictions, ...]:
        """The restrictions that the key is subject to: its own and those of its owner."""
        return (self,) if self.owner_policy is None else (self, self.owner_policy)

    @property
    def scopes(self) -> tuple[object, ...]:
        """The scopes of the key and of its owner's policy, if any, to compare with those of another record."""
        scopes = ((one.allowed_tools, one.allowed_tables, one.allowed_ips, one.read_only) for one in self.restrictions)
        return tuple(scope for scope in scopes if scope != (None, None, None, False))

    @property
    def has_scopes(self) -> bool:
        """True if the key or the policy of its owner has a scope."""
        # Most keys have neither a scope nor a policy: `scopes` would be slower, and this runs for each call.
        if self.allowed_tools is not None or self.allowed_tables is not None or self.allowed_ips is not None:
            return True
        return self.read_only or (self.owner_policy is not None and self.scopes != ())

    @property
    def is_limited_to_tools(self) -> bool:
        """True if the key may call certain tools only."""
        policy = self.owner_policy
        if self.allowed_tools is not None or self.read_only:
            return True
        return policy is not None and (policy.allowed_tools is not None or policy.read_only)

    @property
    def is_limited_to_tables(self) -> bool:
        """True if the key may read certain tables only."""
        policy = self.owner_policy
        return self.allowed_tables is not None or (policy is not None and policy.allowed_tables is not None)

    @property
    def has_record_limits(self) -> bool:
        """True if the records of results are limited, for the key or for its owner."""
        policy = self.owner_policy
        if self.records_per_day is not None or self.records_per_month is not None:
            return True
        return policy is not None and (policy.records_per_day is not None or policy.records_per_month is not None)

    @property
    def suspended_since(self) -> int | None:
        """The beginning of the suspension. That of the key itself takes precedence over that of its owner."""
        return self.owner_disabled_at if self.suspended_at is None else self.suspended_at

    @property
    def suspender(self) -> Suspender | None:
        """The kind of user who suspended the key. Only admins disable owners."""
        return "admin" if self.owner_disabled_at is not None else self.suspended_by

    def counts(self, now_ms: int) -> bool:
        """Return True if the key counts against `max_keys` of its owner: it is neither revoked nor expired."""
        return self.status(now_ms) in ("active", "suspended")

    def status(self, now_ms: int) -> Status:
        """Return the status at `now_ms`: the first that applies of revoked, expired and suspended."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_ms:
            return "expired"
        if self.suspended_at is not None or self.owner_disabled_at is not None:
            return "suspended"
        return "active"
