"""Batches of the consuming side: stream entries that are inserted and acknowledged together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from gateway.usage.event import UsageEvent, pack, unpack
from gateway.usage.store.columns import rejection_reason


class Entry(msgspec.Struct, frozen=True):
    """One entry of the stream."""

    id: bytes
    packed: bytes | None
    """`None` if it was deleted while it was pending."""
    possibly_duplicate: bool = False
    """Its events may have been in an earlier entry: it was replayed from a spool, retried from the dead letters, or has
    events that two workers may have made. The stream marks it with the field `again`."""


class RejectedEvent(msgspec.Struct, frozen=True):
    """Content that cannot be stored."""

    packed: bytes
    """One packed event, or the bytes of an entry that cannot be unpacked."""
    reason: str


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
    events: dict[str, UsageEvent] = {}
    possibly_duplicate_ids: set[str] = set()
    rejected: list[RejectedEvent] = []
    duplicates: list[UsageEvent] = []
    deleted = 0
    for entry in entries:
        if entry.packed is None:
            deleted += 1
            continue
        try:
            unpacked = unpack(entry.packed)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            rejected.append(RejectedEvent(entry.packed, f"entry {entry.id.decode()} cannot be read: {error}"))
            continue
        for event in unpacked:
            if reason := rejection_reason(event):
                rejected.append(RejectedEvent(pack((event,)), reason))
                continue
            if events.setdefault(event.event_id, event).created_at != event.created_at:
                duplicates.append(event)
            if entry.possibly_duplicate:
                possibly_duplicate_ids.add(event.event_id)
    ids = tuple(entry.id for entry in entries)
    return Batch(
        ids, tuple(events.values()), tuple(rejected), frozenset(possibly_duplicate_ids), tuple(duplicates), deleted
    )


def entry_order(entry_id: bytes) -> tuple[int, int]:
    """Return an entry id as comparable numbers: milliseconds since the epoch, and a sequence number."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
