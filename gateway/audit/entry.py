"""An entry of the audit log, as it travels through Redis.

- Entries are packed as msgpack arrays, several in one field of the stream, like usage events. New fields are only
  appended, each with a default.
- `before` and `after` have the fields that the act changed, and never a secret: records are described without digests
  of keys, users without hashes of passwords.

Pure: does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.timestamps import format_rfc3339
from gateway.uuid7 import AscendingUuids

Result = Literal["ok", "denied", "failed"]
"""`denied`: the actor may not do it, or has to wait. `failed`: a wrong password."""

STREAM_FIELD = "a"
"""Field of the usage stream with packed entries."""
MAX_TEXT_LENGTH = 1000
"""Characters of the actor, the act, the object and the address."""


class AuditEntry(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One act."""

    id: str
    """Unique, and sortable by time (UUIDv7, hexadecimal)."""
    created_at: int
    """Milliseconds since the epoch."""
    actor: str
    """Email of the user who did it, or the operating system's user on the command line."""
    act: str
    """The kind of act, such as `key.create` or `auth.login`."""
    object: str
    """The key id, email or path that it is about; empty for none."""
    address: str
    """Client address of the request."""
    before: str
    """The changed fields before the act, as the text of a JSON object."""
    after: str
    """The same fields after it."""
    result: str


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that differ, as they were before and after.

    A field that only one of both has is `null` in the other, unless the other is empty: nothing existed then.
    """
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    changed_before, changed_after = (
        {name: side.get(name) for name in names} if side else {} for side in (before, after)
    )
    return changed_before, changed_after


def described(record: msgspec.Struct, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a record as JSON values, those named `…_at` as RFC 3339 texts."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name not in without}
    return {
        name: format_rfc3339(value) if name.endswith("_at") else msgspec.to_builtins(value)
        for name, value in fields.items()
    }


def json_text(fields: Mapping[str, Any]) -> str:
    """Return the text of a JSON object. Lone surrogates are replaced by `?`."""
    return _valid(json.dumps(fields, ensure_ascii=False, separators=(",", ":")))


_ids = AscendingUuids()


def new_entry(*, created_at: int, entry_id: str | None = None, **values: Any) -> AuditEntry:
    """Return an entry with these values, its texts cut and made valid. Later entries have greater ids."""
    for name in ("actor", "act", "object", "address"):
        values[name] = _valid(values[name][:MAX_TEXT_LENGTH])
    return AuditEntry(id=entry_id or _ids.new(created_at), created_at=created_at, **values)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[AuditEntry, ...])


def pack(entries: Sequence[AuditEntry]) -> bytes:
    """Pack entries into a field of the usage stream."""
    return _encoder.encode(tuple(entries))


def unpack(packed: bytes) -> tuple[AuditEntry, ...]:
    """Unpack entries. Raises `msgspec.DecodeError` for other bytes."""
    return _decoder.decode(packed)


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
