"""Batches of the consuming side: stream entries that are inserted and acknowledged together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.usage.event import UsageEvent, pack, unpack
from gateway.usage.store.columns import rejection_reason
from gateway.usage.store.logs import log_table
from gateway.usage.store.logs.log_table import LOGS, LogRow, LogTable

EVENTS_FIELD = b"e"
"""Field of an entry with packed usage events; those of the other logs are in `LOGS`."""


def content_field(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the name of the field with the content of an entry."""
    return next((name for name in LOGS if name in fields), EVENTS_FIELD)


class Entry(msgspec.Struct, frozen=True):
    """One entry of the stream."""

    id: bytes
    packed: bytes | None
    """`None` if it was deleted while it was pending."""
    possibly_duplicate: bool = False
    """Its events may have been in an earlier entry: it was replayed from a spool, retried from the dead letters, or has
    events that two workers may have made. The stream marks it with the field `again`."""
    field: bytes = EVENTS_FIELD
    """The name of the field with its content."""


class RejectedEvent(msgspec.Struct, frozen=True):
    """Content that cannot be stored."""

    packed: bytes
    """One packed event or row of a log, or the bytes of an entry that cannot be unpacked."""
    reason: str
    field: bytes = EVENTS_FIELD


class LogRows(msgspec.Struct, frozen=True):
    """Rows of one log."""

    log: LogTable[Any]
    rows: tuple[LogRow, ...]


class Batch(msgspec.Struct, frozen=True):
    """The entries of one pending set."""

    ids: tuple[bytes, ...]
    events: tuple[UsageEvent, ...]
    """Each event once, also if the stream has it twice."""
    rejected: tuple[RejectedEvent, ...]
    """Content that fails validation, so that it is never inserted."""
    possibly_duplicate_ids: frozenset[str]
    """The ids of events that may have been in an earlier entry of the stream."""
    duplicates: tuple[UsageEvent, ...]
    """Events that two workers made; `events` has them once, with another time."""
    deleted_entries: int
    """Entries that were deleted from the stream before they were acknowledged."""
    logs: tuple[LogRows, ...] = ()
    """Rows of other logs, each row once."""

    @property
    def span(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The first and the last entry id, as comparable numbers."""
        return entry_order(self.ids[0]), entry_order(self.ids[-1])

    @property
    def token(self) -> str:
        """The deduplication token: the same for the same entries, also if some of them were deleted."""
        return hashlib.sha256(b" ".join(self.ids)).hexdigest()


def batch_of(entries: Sequence[Entry]) -> Batch:
    """Unpack the entries of a pending set."""
    contents = _Contents()
    for entry in entries:
        contents.add(entry)
    return Batch(
        ids=tuple(entry.id for entry in entries),
        events=tuple(contents.events.values()),
        rejected=tuple(contents.rejected),
        possibly_duplicate_ids=frozenset(contents.possibly_duplicate_ids),
        duplicates=tuple(contents.duplicates),
        deleted_entries=contents.deleted_entries,
        logs=tuple(LogRows(LOGS[field], tuple(rows.values())) for field, rows in contents.logs.items()),
    )


class _Contents:
    """The contents of the entries of a batch, while they are unpacked."""

    def __init__(self) -> None:
        self.events: dict[str, UsageEvent] = {}
        self.possibly_duplicate_ids: set[str] = set()
        self.duplicates: list[UsageEvent] = []
        self.logs: dict[bytes, dict[str, LogRow]] = {}
        self.rejected: list[RejectedEvent] = []
        self.deleted_entries = 0

    def add(self, entry: Entry) -> None:
        if entry.packed is None:
            self.deleted_entries += 1
            return
        try:
            if entry.field in LOGS:
                self._add_rows(entry.field, LOGS[entry.field].unpack(entry.packed))
            else:
                self._add_events(unpack(entry.packed), possibly_duplicate=entry.possibly_duplicate)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            reason = f"entry {entry.id.decode()} cannot be read: {error}"
            self.rejected.append(RejectedEvent(entry.packed, reason, entry.field))

    def _add_events(self, events: Sequence[UsageEvent], *, possibly_duplicate: bool) -> None:
        for event in events:
            if reason := rejection_reason(event):
                self.rejected.append(RejectedEvent(pack((event,)), reason))
                continue
            if self.events.setdefault(event.event_id, event).created_at != event.created_at:
                self.duplicates.append(event)
            if possibly_duplicate:
                self.possibly_duplicate_ids.add(event.event_id)

    def _add_rows(self, field: bytes, rows: Sequence[LogRow]) -> None:
        log: LogTable[Any] = LOGS[field]
        known = self.logs.setdefault(field, {})
        for row in rows:
            if reason := log_table.rejection_reason(row):
                self.rejected.append(RejectedEvent(log.pack([row]), reason, field))
            else:
                known.setdefault(row.id, row)


def entry_order(entry_id: bytes) -> tuple[int, int]:
    """Return an entry id as comparable numbers: milliseconds since the epoch, and a sequence number."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
