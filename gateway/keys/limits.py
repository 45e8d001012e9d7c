"""Limits of a key and of its owner's policy: what each of them counts, and its Redis key.

- A limit of the policy is a pool: all keys of the owner share it.
- All tools that match a glob of `tool_rate_limits` share its limit. A tool that matches several must pass all.
- Days and months are those of UTC.
- Requests, calls and records are counted for every key and owner, limited or not. So a limit that is set later counts
  the use in the current day or month, or in the last minute. Entries of `tool_rate_limits` and `max_concurrent` count
  only while they are set.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from gateway.keys.record import KeyRecord, OwnerPolicy, Restrictions
from gateway.redis import names

Of = Literal["key", "owner"]
Unit = Literal["requests", "calls", "records"]
Period = Literal["minute", "day", "month"]

MINUTE = 60
DAY = 24 * 3600
UNLIMITED = 10**15
"""A cap that is never reached."""
BUCKET_SECONDS = 2
"""Seconds that are counted together in the window of a minute."""


class Limit(NamedTuple):
    """One limit."""

    field: str
    """The field of `Restrictions` that sets it."""
    of: Of
    subject: str
    """The key id, or the digest of the owner: the part of the Redis key that stands for them."""
    cap: int
    unit: Unit
    period: Period | None
    """`None` for `max_concurrent`."""
    glob: str | None = None
    """The tools that it counts; `None` for all."""

    def redis_key(self, now: int) -> str:
        """Return the Redis key of its counter, window or slots at a time (seconds since the epoch)."""
        if self.period is None:
            return names.CALL_SLOTS + self.subject
        if self.glob is not None:
            return tool_window(self.subject, self.glob)
        if self.period == "minute":
            return names.RATE_WINDOW + self.subject
        return counter(self.subject, self.unit, self.period, now)

    @property
    def kind(self) -> Literal["window", "counter", "slots"]:
        """The kind of its Redis key: window of a minute, counter of a day or month, or slots of calls in flight."""
        return "slots" if self.period is None else "window" if self.period == "minute" else "counter"

    def counts(self, tool: str) -> bool:
        """Return True if it counts calls of the tool."""
        return self.glob is None or fnmatchcase(tool, self.glob)

    def describe(self) -> str:
        """Return the limit in words, such as "60 requests a minute"."""
        if self.period is None:
            return f"{self.cap} calls at the same time"
        if self.glob is not None:
            return f"{self.cap} calls of {self.glob} a {self.period}"
        return f"{self.cap} {'tool calls' if self.unit == 'calls' else self.unit} a {self.period}"


_FIELDS: tuple[tuple[str, Unit, Period | None], ...] = (
    ("rate_limit_per_minute", "requests", "minute"),
    ("calls_per_day", "calls", "day"),
    ("calls_per_month", "calls", "month"),
    ("records_per_day", "records", "day"),
    ("records_per_month", "records", "month"),
    ("max_concurrent", "calls", None),
)


def limits_of(record: KeyRecord) -> tuple[Limit, ...]:
    """Return the limits of a key and those of its owner's policy."""
    own = _limits(record, "key", record.key_id)
    policy = record.owner_policy
    return own if policy is None else own + limits_of_policy(record.owner, policy)


def limits_of_policy(owner: str, policy: OwnerPolicy) -> tuple[Limit, ...]:
    """Return the limits that all keys of an owner share."""
    return _limits(policy, "owner", owner_subject(owner))


def _limits(restrictions: Restrictions, of: Of, subject: str) -> tuple[Limit, ...]:
    limits = [
        Limit(field, of, subject, cap, unit, period)
        for field, unit, period in _FIELDS
        if (cap := getattr(restrictions, field)) is not None
    ]
    limits += (
        Limit("tool_rate_limits", of, subject, cap, "calls", "minute", glob)
        for glob, cap in (restrictions.tool_rate_limits or {}).items()
    )
    return tuple(limits)


def uncovered_counters(record: KeyRecord, limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Return the windows and counters that no limit of the key or its owner uses, as limits with an unreachable cap."""
    covered = {(limit.subject, limit.unit, limit.period) for limit in limits if limit.glob is None}
    subjects: tuple[tuple[Of, str], ...] = (("key", record.key_id), ("owner", owner_subject(record.owner)))
    return tuple(
        Limit(field, of, subject, UNLIMITED, unit, period)
        for of, subject in subjects
        for field, unit, period in _FIELDS
        if period is not None and (subject, unit, period) not in covered
    )


def owner_subject(owner: str) -> str:
    """Return the part of a Redis key that stands for an owner."""
    return names.digest(owner)


def tool_window(subject: str, glob: str) -> str:
    """Return the Redis key of the window that counts the calls of tools that match a glob."""
    return f"{names.TOOL_RATE_WINDOW}{subject}:{names.digest(glob)}"


def counter(subject: str, unit: Unit, period: Literal["day", "month"], now: int) -> str:
    """Return the Redis key of the counter of a key or owner for the day or month of `now`."""
    current = now // DAY if period == "day" else datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
    return f"{names.LIMIT_COUNTER}{subject}:{unit}:{current}"


def period_end(period: Literal["day", "month"], now: int) -> int:
    """Return the end of the day or month, in seconds since the epoch."""
    if period == "day":
        return (now // DAY + 1) * DAY
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return int(month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1).timestamp())
