"""Types of the fields that the endpoints of usage take."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal

from msgspec import Meta

from admin_api.http.field_types import search_text, whole_number
from gateway.keys.validation import MAX_NAME_LENGTH
from gateway.timestamps import parse_timestamp
from gateway.usage import reconciliation
from gateway.usage.store.queries import recent
from gateway.usage.store.queries.history import MAX_PAGE_SIZE
from gateway.usage.store.queries.period import DEFAULT_DAYS, MAX_STATISTICS_DAYS
from gateway.zones import time_zone


def _timestamp(value: str) -> str:
    # Times without an offset are refused later, unless there is a zone.
    parse_timestamp(value, zone=UTC)
    return value


def _time_zone(value: str) -> str:
    time_zone(value)
    return value


Seconds = Annotated[
    int, whole_number(recent.MIN_SECONDS, recent.MAX_SECONDS, "seconds", "Calls in so many seconds up to now.")
]
RecentGrouping = Annotated[recent.RecentGrouping, Meta(extra={"must": "be key_tool, key, tool, owner or client"})]
Page = Annotated[int, whole_number(1, 1_000_000)]
PageSize = Annotated[int, whole_number(1, MAX_PAGE_SIZE)]
_DAYS = f"Days up to `to`, or today; {DEFAULT_DAYS} by default. Not with `from`."
Days = Annotated[int, whole_number(1, MAX_STATISTICS_DAYS, "days", _DAYS)]
BalanceDays = Annotated[int, whole_number(1, reconciliation.MAX_RECONCILED_DAYS, "days")]
_TIMESTAMP = "be a date such as 2026-01-31 or a time with a UTC offset such as 2026-01-31T12:00:00Z"
From = Annotated[
    str,
    Meta(
        description="At or after this date or time.",
        extra={"must": _TIMESTAMP, "parse": _timestamp},
    ),
]
To = Annotated[
    str,
    Meta(
        description="Before this time; a date includes the whole day.",
        extra={"must": _TIMESTAMP, "parse": _timestamp},
    ),
]
Search = Annotated[str, search_text(256)]
CallStatus = Annotated[
    Literal["ok", "tool_error", "rpc_error", "denied"], Meta(extra={"must": "be ok, tool_error, rpc_error or denied"})
]
DenialStatus = Annotated[Literal[403, 429], Meta(description="HTTP status.", extra={"must": "be 403 or 429"})]
ExportFormat = Annotated[Literal["csv", "ndjson", "parquet"], Meta(extra={"must": "be csv, ndjson or parquet"})]
TimeZone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="IANA time zone of days and hours, and of dates and times without a UTC offset; `UTC` by default.",
        examples=["Europe/Berlin"],
        extra={"must": "be an IANA time zone such as Europe/Berlin", "parse": _time_zone},
    ),
]
Label = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        description="Name of a label of keys.",
        extra={"must": f"be the name of a label, of at most {MAX_NAME_LENGTH} characters"},
    ),
]
Table = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="Name of a table, or a glob (`*`, `?`, `[abc]`), in upper or lower case.",
        examples=["stock_*"],
        extra={"must": "be a table name or pattern of at most 256 characters"},
    ),
]
ReadersFormat = Annotated[Literal["json", "csv"], Meta(extra={"must": "be json or csv"})]
