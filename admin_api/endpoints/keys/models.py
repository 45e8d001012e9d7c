"""Requests and responses of the endpoints of API keys."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.endpoints.keys.filters import KeyLabel, KeySearch, KeySort, KeyStatusName, Order
from admin_api.endpoints.restrictions import RestrictionFields
from admin_api.http.field_types import AnyEmail, ExpiresDays, Flag, KeyId, KeyName, Labels, OverlapSeconds
from admin_api.http.paging import Cursor, PageLimit
from gateway.keys.limits import Of
from gateway.keys.listing import listed_fields
from gateway.keys.record import KeyRecord, Restrictions, Status, Suspender
from gateway.timestamps import DAY_MS


class KeyFields(RestrictionFields, frozen=True, kw_only=True):
    """The fields of a key that a request may set."""

    key_name: KeyName | UnsetType = UNSET
    expires_days: ExpiresDays | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET


class CreateKey(KeyFields, frozen=True, kw_only=True):
    """A new key. Omitted fields have the defaults of the owner's policy; without such a default, no limit applies."""

    key_name: KeyName
    owner: AnyEmail | UnsetType = UNSET
    """The caller by default; for admins any user."""


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its new secret, `api_key`, which is shown only once."""

    key_id: str
    key_name: str
    api_key: str
    key_prefix: str
    created_at: str
    expires_at: str | None


class ReplayedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that an earlier request with the same `Idempotency-Key` created, without its secret."""

    key_id: str
    key_name: str
    key_prefix: str
    created_at: str
    expires_at: str | None
    replayed: bool = True


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Owner of the keys, by default the caller; filters, order and page."""

    owner: AnyEmail | None = None
    all: Flag = False
    q: KeySearch | None = None
    label: KeyLabel | None = None
    status: KeyStatusName | None = None
    sort: KeySort = "created"
    order: Order | None = None
    limit: PageLimit | None = None
    """Without it, all keys are in one page, at most 10,000."""
    cursor: Cursor | None = None


class KeyCeiling(Restrictions, frozen=True, kw_only=True, omit_defaults=True):
    """The restrictions that an admin has set on a key; absent ones are free. The owner can narrow them only."""

    expires_at: str | None = None


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


class ShowQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to show."""

    key_id: KeyId


class SecretItem(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that a key accepts; `until` is the end of its overlap. Unknown prefixes and times are `null`."""

    prefix: str | None
    since: str | None
    until: str | None
    last_used_at: str | None
    client: str | None
    """The client software of the last use, and its address; `null` if the secret was not used yet."""
    address: str | None


class LimitItem(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of a key or of its owner, what is used and left of it, and when it resets."""

    name: str
    """The field that sets it."""
    of: Of
    tool: str | UnsetType = UNSET
    """The glob of an entry of `tool_rate_limits`."""
    limit: int
    used: int
    left: int
    resets_at: str | None


class KeyDetails(KeyItem, frozen=True, kw_only=True):
    """A key with its secrets, without their text, and what is used of its limits."""

    secrets: list[SecretItem]
    limits: list[LimitItem]


class UpdatedKey(KeyItem, frozen=True, kw_only=True):
    """A changed key, with a warning for each new limit that is below what is used already."""

    warnings: list[str]


class KeyList(msgspec.Struct, frozen=True):
    """A page of keys."""

    keys: list[KeyItem]
    total: int
    """Keys of all pages."""
    next_cursor: str | None
    """The `cursor` of the next page; `null` on the last page."""


class RevokeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to revoke."""

    key_id: KeyId


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A revoked key."""

    key_id: str
    status: Literal["revoked"] = "revoked"


class EndOverlap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key whose older secrets end."""

    key_id: KeyId


class EndedOverlap(msgspec.Struct, frozen=True, kw_only=True):
    """A key, the prefix of the only secret that it has left, and the number of secrets that were ended."""

    key_id: str
    key_prefix: str
    ended_secrets: int


class BulkRevoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The owner or the label of the keys to revoke."""

    owner: AnyEmail | None = None
    label: KeyLabel | None = None
    dry_run: Flag = False
    """Only return the keys that would be revoked."""


class RevokedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that were revoked or, in a dry run, would be."""

    key_ids: list[str]
    dry_run: bool


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


class TransferKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key to transfer, and its new owner."""

    key_id: KeyId
    owner: AnyEmail


class TransferredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its new owner."""

    key_id: str
    owner: str
    status: Status


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key that gets a new secret, and how long the old secret still works."""

    key_id: KeyId
    overlap_seconds: OverlapSeconds = 0


class UpdateKey(KeyFields, frozen=True, kw_only=True):
    """Changes to a key; omitted fields keep their value."""

    key_id: KeyId


def expiry(now_ms: int, days: int | None) -> int | None:
    """Return the end of a life of so many days from now; `None` for a key that does not expire."""
    return None if days is None else now_ms + days * DAY_MS


def key_item(record: KeyRecord, now_ms: int, last_used: int | None) -> KeyItem:
    """Describe a key."""
    return KeyItem(**item_fields(record, now_ms, last_used))


def item_fields(record: KeyRecord, now_ms: int, last_used: int | None) -> dict[str, Any]:
    """Return the fields of a `KeyItem`."""
    fields = listed_fields(record, now_ms, last_used)
    return {**fields, "ceiling": KeyCeiling(**fields["ceiling"])}
