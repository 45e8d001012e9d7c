"""Requests and responses of the endpoints of the system, and their examples."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from admin_api.endpoints.usage import examples as usage_examples
from admin_api.http.field_types import Flag
from admin_api.http.paging import Cursor, PageLimit
from gateway.usage.reconciliation import Balance

MAX_DEAD_LETTERS = 200
_LETTER_ID = "1767225600000-0"
_DEFAULT_LIMIT = 50

LetterIds = Annotated[
    tuple[Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}-[0-9]{1,20}$")], ...],
    msgspec.Meta(
        min_length=1,
        max_length=MAX_DEAD_LETTERS,
        description="The ids of dead letters.",
        extra={"must": f"be a list of 1 to {MAX_DEAD_LETTERS} ids of dead letters"},
    ),
]


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """Redis, ClickHouse or the upstream, and the fix if something is wrong."""

    status: Literal["ok", "warning", "failed", "skipped"]
    detail: str
    fix: str = ""
    latency_ms: float | None = None


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """The usage stream; `null` if it could not be read."""

    entries: int | None
    """Entries that ClickHouse has still to store; each holds one event or more."""
    oldest_at: str | None


class SpoolState(msgspec.Struct, frozen=True, kw_only=True):
    """The events that only the spools of the workers have; `null` if that could not be read."""

    events: int | None
    processes: int | None
    """Workers with such events."""


class DeadLetterState(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters; `null` if they could not be read."""

    entries: int | None
    oldest_at: str | None


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Versions; `null` for an engine that does not answer."""

    gateway: str
    python: str
    redis: str | None
    clickhouse: str | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check of `mcp-gateway doctor`; `fix` is empty if nothing needs to be done."""

    name: str
    status: Literal["ok", "warning", "failed", "skipped"]
    finding: str
    fix: str


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the installation, at most a few seconds old."""

    checked_at: str
    redis: EngineState
    clickhouse: EngineState
    upstream: EngineState
    stream: StreamState
    spool: SpoolState
    dead_letters: DeadLetterState
    balance: Balance | None
    """The reconciliation of today and yesterday; `null` if it could not be made in time."""
    versions: Versions
    findings: list[Finding]


class DeadLettersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the dead letters."""

    limit: PageLimit = _DEFAULT_LIMIT
    cursor: Cursor | None = None


class DeadEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a dead letter."""

    event_id: str
    created_at: str
    key_id: str
    owner: str
    tool_name: str


class DeadLetterItem(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: events that ClickHouse refused, and the reason."""

    id: str
    at: str
    reason: str
    size: int
    """Bytes."""
    events: list[DeadEvent]
    """None if they cannot be decoded."""
    log: str | None = None
    """The table of rows other than calls, such as `mcp_audit_log`; `null` for calls."""


class DeadLetterList(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters, the oldest first; `next_cursor` is `null` on the last page."""

    dead_letters: list[DeadLetterItem]
    next_cursor: str | None


class RetryDeadLetters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The dead letters to store again: `ids`, or all. Those that are gone do not count."""

    ids: LetterIds | None = None
    all: Flag = False


class DropDeadLetters(RetryDeadLetters, frozen=True, kw_only=True):
    """The dead letters to delete: `ids`, or all. Those that are gone do not count."""


class RetriedDeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The number of dead letters that are stored again."""

    retried: int


class DroppedDeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """The number of dead letters that were deleted."""

    dropped: int


STATUS_EXAMPLE = SystemStatus(
    checked_at="2026-01-01T12:00:00.000Z",
    redis=EngineState(status="ok", detail="valkey 8.1.1 answers", latency_ms=0.4),
    clickhouse=EngineState(status="ok", detail="ClickHouse 25.8.2 answers", latency_ms=3.1),
    upstream=EngineState(status="ok", detail="http://127.0.0.1:8002/mcp answers"),
    stream=StreamState(entries=3, oldest_at="2026-01-01T11:59:59.000Z"),
    spool=SpoolState(events=0, processes=0),
    dead_letters=DeadLetterState(entries=0, oldest_at=None),
    balance=usage_examples.BALANCE,
    versions=Versions(gateway="1.0.0", python="3.13.1", redis="8.1.1", clickhouse="25.8.2"),
    findings=[Finding(name="clock", status="ok", finding="agrees with the clock of Redis", fix="")],
)
LIST_EXAMPLE = DeadLetterList(
    dead_letters=[
        DeadLetterItem(
            id=_LETTER_ID,
            at="2026-01-01T00:00:00.000Z",
            reason="Code: 27. Cannot parse input",
            size=412,
            events=[
                DeadEvent(
                    event_id="0198f3c2a7d04e6f8b1c2d3e4f5a6b7c",
                    created_at="2026-01-01T00:00:00.000Z",
                    key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
                    owner="ada@example.com",
                    tool_name="query",
                )
            ],
        )
    ],
    next_cursor=None,
)
IDS_EXAMPLE = (_LETTER_ID,)
